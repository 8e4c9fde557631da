// The data of the page: unpacked once, then read by the index of a candidate in its columns.

const byId = (id) => document.getElementById(id);

async function unpacked(id) {
  const text = atob(byId(id).textContent);
  byId(id).remove();
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function codesOf(column) {
  const text = atob(column.codes);
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  return column.bytes === 1 ? bytes : new Uint16Array(bytes.buffer);
}

// The candidates of the page. A field is a score (a number, or null), a choice, or a field of the architecture.
class Candidates {
  constructor(content) {
    this.ids = content.ids;
    this.run = content.run;
    this.length = content.ids.length;
    this.front = content.front;
    this.onFront = new Uint8Array(this.length);
    for (const place of content.front) this.onFront[place] = 1;
    this.names = new Map(content.named.map((one) => [one.place, one.name]));
    this.numbers = content.numbers;
    this.parts = content.parts;
    this.choices = content.choices;
    this.decoded = new Map();
    this.extrapolated = new Map(Object.entries(content.extrapolated).map(([name, places]) => [name, new Set(places)]));
  }

  // Return a star if a score is an extrapolation, else nothing.
  star(name, place) {
    return this.extrapolated.get(name)?.has(place) ? "*" : "";
  }

  // Return the values of a score for all candidates: numbers, or null if unknown.
  column(name) {
    return this.numbers[name];
  }

  score(name, place) {
    return this.numbers[name][place];
  }

  codes(group, name) {
    const key = `${group} ${name}`;
    if (!this.decoded.has(key)) this.decoded.set(key, codesOf(this[group][name]));
    return this.decoded.get(key);
  }

  // Return the value of an architecture field; null if the network has no such field.
  part(name, place) {
    const column = this.parts[name];
    return column ? column.values[this.codes("parts", name)[place]] : null;
  }

  // Return a candidate's stages, each with its fields.
  stages(place) {
    const stages = [];
    while (this.parts[`stage${stages.length + 1}.width`]) {
      const prefix = `stage${stages.length + 1}.`;
      const names = Object.keys(this.parts).filter((name) => name.startsWith(prefix));
      stages.push(Object.fromEntries(names.map((name) => [name.slice(prefix.length), this.part(name, place)])));
    }
    return stages.filter((stage) => stage.width !== null);
  }

  // Return the title of a candidate.
  title(place) {
    const own = content.runs.length > 1 ? `${content.runs[this.run[place]].name}:${this.ids[place]}` : `candidate ${this.ids[place]}`;
    return this.names.has(place) ? `${own}, ${this.names.get(place)}` : own;
  }

  // Return the command that exports a candidate.
  exportCommand(place) {
    const command = content.runs[this.run[place]].export;
    const end = command.lastIndexOf(":ID");
    return `${command.slice(0, end)}:${this.ids[place]}${command.slice(end + 3)}`;
  }
}

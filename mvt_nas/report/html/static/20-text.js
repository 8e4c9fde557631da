// Formatting of numbers and names, and elements that hold them as text: names never become markup.

const exact = new Intl.NumberFormat("en", { maximumFractionDigits: 4 });
const four = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });

// Return a number with four digits, large ones with k, M or G.
function brief(value) {
  if (value === null || value === undefined) return "–";
  for (const [size, letter] of [[1e9, " G"], [1e6, " M"], [1e4, " k"]]) {
    if (Math.abs(value) >= size) return four.format(value / (letter === " k" ? 1e3 : size)) + letter;
  }
  return four.format(value);
}

function whole(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? exact.format(value) : String(value);
}

// Return text without characters that Plotly would take for markup.
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

// Return an element with attributes and children; children that are not elements become text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

function fill(id, ...children) {
  byId(id).replaceChildren(...children);
}

// Return a table of rows of text; numbers are right-aligned. A cell may be an element.
function table(caption, header, rows) {
  const numeric = (value) => (typeof value === "number" ? "number" : null);
  const cell = (value) => (value instanceof HTMLTableCellElement ? value : make("td", { class: numeric(value) }, typeof value === "number" ? whole(value) : value));
  const head = header.map((name, place) => make("th", { scope: "col", class: rows.length ? numeric(rows[0][place]) : null }, name));
  const body = rows.map((row) => make("tr", {}, ...row.map((value, place) => (place ? cell(value) : make("th", { scope: "row" }, whole(value))))));
  return make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
}

// Return a cell with a share from 0 to 1 and a bar of that length.
function shareCell(share) {
  return make("td", { class: "number bar", style: `--share: ${(100 * share).toFixed(1)}%` }, percent.format(share));
}

// Return a command with a button that copies it.
function command(text) {
  const code = make("code", {}, text);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      announce("Copied.");
    } catch {
      getSelection().selectAllChildren(code);
      announce("Selected; copy it with the keyboard.");
    }
  };
  return make("div", { class: "command" }, code, make("button", { type: "button", onclick: copy, "aria-label": `Copy ${text}` }, "Copy"));
}

function announce(text) {
  byId("said").textContent = text;
}

const label = (metric) => metrics.get(metric)?.label ?? metric;
const short = (metric) => metrics.get(metric)?.short ?? metric;

"""What ``mvt-nas`` says alone: what to type next."""

WELCOME = """\
mvt-nas finds the mobile vision transformers that fit your device. What next?

  mvt-nas search tiny --trials 60                     a first search, in seconds
  mvt-nas search mobilevit --budget 'latency_ms<=20'  a real one, within budget
  mvt-nas watch RUN                                   follow it while it runs
  mvt-nas runs                                        what was searched so far
  mvt-nas pareto RUN                                  the best networks of one
  mvt-nas report RUN                                  a page to look around in
  mvt-nas show mobilevit_s                            a network, stage by stage
  mvt-nas doctor                                      what works on this machine

All commands: mvt-nas --help. What one of them can do: mvt-nas search --help."""

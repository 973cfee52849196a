/** The report's only style sheet. It follows the system's light or dark setting, and is plain on paper. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1c2127; --soft: #5c6670; --line: #dfe3e8; --panel: #f6f7f9;
  --good: #0b7a4b; --bad: #b3261e;
  --iptables: #7b8590; --meshaccel: #0b63c5; --observed: #1597a5; --naive: #c96a12; --unix: #8250c4; --direct: #2e8b57;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --ink: #e4e8ec; --soft: #9aa5b1; --line: #2d343c; --panel: #1c2229;
    --good: #4cc38a; --bad: #ff8a80;
    --iptables: #8d98a4; --meshaccel: #58a6ff; --observed: #4fc3cf; --naive: #f0954a; --unix: #b794f6; --direct: #56c288;
  }
}
* { box-sizing: border-box }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 62rem;
  background: var(--paper); color: var(--ink); font: 15px/1.55 system-ui, "DejaVu Sans", sans-serif;
}
h1 { font-size: 1.5rem; margin: 0 }
h2 { font-size: 1.15rem; margin: 2.75rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line) }
h3 { font-size: 1rem; margin: 2rem 0 .25rem }
p { margin: .5rem 0; max-width: 48rem }
.about, .unit, .note, .tick, .axis, dt { color: var(--soft) }
.about { margin: .15rem 0 1.5rem }
.verdict {
  background: var(--panel); border-left: 4px solid var(--meshaccel); border-radius: 4px; padding: .9rem 1.2rem;
}
.verdict strong { font-size: 1.15rem; line-height: 1.4 }
.verdict ul { margin: .5rem 0 0; padding-left: 1.2rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; margin: .75rem 0; font-variant-numeric: tabular-nums; font-size: 14px }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th { color: var(--soft); font-weight: 500; vertical-align: bottom }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
.faster { color: var(--good); font-weight: 600 }
.slower { color: var(--bad); font-weight: 600 }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); gap: 1.25rem 2rem }
figure { margin: .5rem 0; min-width: 0 }
figcaption { font-weight: 600; margin-bottom: .35rem }
figcaption .unit { font-weight: 400; margin-left: .6em }
svg { display: block; width: 100%; height: auto; overflow: visible }
svg text { font-size: 12px; fill: var(--ink) }
svg .tick, svg .axis { font-size: 11px; fill: var(--soft) }
svg .note { fill: var(--soft) }
svg .value { font-weight: 600 }
.grid { stroke: var(--line) }
.reference { stroke: var(--iptables); stroke-dasharray: 4 3 }
.fill { fill: var(--mode); opacity: .8 }
.line { fill: none; stroke: var(--mode); stroke-width: 1.75; stroke-linejoin: round }
.point { fill: var(--mode) }
.range { stroke: var(--ink); stroke-width: 1.25; opacity: .7 }
.round { fill: var(--paper); stroke: var(--ink); stroke-width: 1 }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .25rem 0 0; font-size: 13px }
.legend span::before {
  content: ""; display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px;
  background: var(--mode);
}
.mode-iptables { --mode: var(--iptables) } .mode-meshaccel { --mode: var(--meshaccel) }
.mode-observed { --mode: var(--observed) }
.mode-naive { --mode: var(--naive) } .mode-unix { --mode: var(--unix) } .mode-direct { --mode: var(--direct) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: .75rem 0 }
dd { margin: 0; overflow-wrap: anywhere }
a { color: var(--meshaccel) }
pre { overflow: auto; max-height: 30rem; background: var(--panel); padding: .75rem; font-size: 12px; border-radius: 4px }
@media print {
  :root {
    color-scheme: light;
    --paper: #fff; --ink: #000; --soft: #444; --line: #ccc; --panel: #fff; --good: #064; --bad: #900;
    --iptables: #777; --meshaccel: #0b63c5; --observed: #1597a5; --naive: #c96a12; --unix: #8250c4; --direct: #2e8b57;
  }
  body { max-width: none; padding: 0; font-size: 11px }
  table { font-size: 10px }
  th, td { padding: .15rem .4rem }
  figure, table, .verdict { break-inside: avoid }
  h2, h3 { break-after: avoid }
  .plots { grid-template-columns: 1fr 1fr }
  .fill, .verdict { print-color-adjust: exact }
  .raw { display: none }
}
`

"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent).stepper;
  // On paper everything is shown; browsers differ in how much of that styles alone can do.
  const folded = [];
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open])")) {
      folded.push(details);
      details.open = true;
    }
  });
  addEventListener("afterprint", () => { while (folded.length) folded.pop().open = false; });
  if (!data) return;

  const root = document.getElementById("stepper");
  const slider = document.getElementById("slider");
  const status = document.getElementById("status");
  const memory = document.getElementById("memory");
  const steps = data.steps;
  const at = id => document.getElementById(id);
  const make = (tag, name, ...children) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...children);
    return element;
  };
  const hex = text => `0x${text}`;
  const shown = 14;
  const FLAGS = [[0, "CF"], [2, "PF"], [4, "AF"], [6, "ZF"], [7, "SF"], [10, "DF"], [11, "OF"]];
  const meaning = (name, value) => name !== "RFLAGS" ? data.names[value] ?? ""
    : FLAGS.filter(([bit]) => BigInt(`0x${value}`) >> BigInt(bit) & 1n).map(([, flag]) => flag).join(" ") || "none set";

  // --- the state after each step -----------------------------------------------------------
  const table = root.querySelector(".registers tbody");
  const rows = new Map();
  for (const row of table.rows) rows.set(row.dataset.register, row);
  const order = data.registers.map(([name]) => name);
  for (const [, changed] of steps) {
    for (const [name] of changed) {
      if (order.includes(name)) continue;
      order.push(name);
      const row = make("tr", "", make("th", "", make("code", "", name)), make("td", ""));
      row.firstChild.scope = "row";
      row.hidden = true;
      rows.set(name, row);
      table.append(row);
    }
  }
  const stateAfter = index => {
    const registers = new Map(data.registers), written = new Map();
    let before = registers;
    for (let step = 0; step <= index; step++) {
      if (step === index) before = new Map(registers);
      for (const [name, value] of steps[step][1]) registers.set(name, value);
      for (const [write, address, size, value] of steps[step][2]) {
        if (!write) continue;
        written.delete(address); // the latest come last
        written.set(address, [size, value]);
      }
    }
    return { registers, before, written };
  };

  // --- showing a step ------------------------------------------------------------------------
  let current = -1;
  const marked = [];
  const mark = (element, name) => { if (element) { element.classList.add(name); marked.push([element, name]); } };
  const reveal = row => {
    const view = row?.closest(".view");
    if (!view) return;
    const inside = view.getBoundingClientRect(), box = row.getBoundingClientRect();
    if (box.top < inside.top || box.bottom > inside.bottom) {
      view.scrollTop += box.top - inside.top - view.clientHeight / 3;
    }
  };
  const place = address => data.names[address] ? ` (${data.names[address]})` : "";
  const show = index => {
    current = Math.min(Math.max(index, 0), steps.length - 1);
    const [code, changed, accesses, between, note] = steps[current];
    while (marked.length) { const [element, name] = marked.pop(); element.classList.remove(name); element.removeAttribute("aria-current"); }
    const row = at(`c${code}`), lines = data.lines[code];
    mark(row, "here");
    row.setAttribute("aria-current", "step");
    lines.forEach(line => mark(at(`s${line}`), "here"));
    reveal(row);
    if (lines.length) reveal(at(`s${lines[lines.length - 1]}`));

    const { registers, before, written } = stateAfter(current);
    const now = new Set(changed.map(([name]) => name));
    for (const [name, line] of rows) {
      const value = registers.get(name);
      line.hidden = value === undefined;
      if (value === undefined) continue;
      const cell = line.cells[1];
      cell.replaceChildren(make("code", "", hex(value)));
      if (meaning(name, value)) cell.append(make("span", "name", meaning(name, value)));
      line.classList.toggle("changed", now.has(name));
      if (now.has(name) && before.has(name)) cell.append(make("span", "was", `was ${hex(before.get(name))}`));
    }
    at("when").textContent = `after step ${current + 1}`;

    const parts = [];
    if (accesses.length) {
      parts.push(make("h3", "", "This instruction"), make("ul", "", ...accesses.map(([write, address, size, value]) =>
        make("li", write ? "now" : "", `${write ? "wrote" : "read"} `, make("code", "", hex(value)),
          ` (${size} bytes) at `, make("code", "", hex(address)), place(address)))));
    }
    const list = [...written].reverse();
    if (list.length) {
      parts.push(make("h3", "", "Memory written so far"), make("ul", "", ...list.slice(0, shown).map(([address, [, value]]) =>
        make("li", "", make("code", "", hex(address)), place(address), " = ", make("code", "", hex(value))))));
      if (list.length > shown) parts.push(make("p", "note", `and ${list.length - shown} more`));
    }
    memory.replaceChildren(...parts);

    slider.value = current;
    const words = row.cells[1].querySelector("code").textContent;
    const values = changed.map(([name, value]) => `${name} = ${hex(value)}`).join(", ");
    const text = `Step ${(current + 1).toLocaleString("en")} of ${steps.length.toLocaleString("en")}: ${words}${note ? ` ${note}` : ""}`;
    status.textContent = (between ? `${between}. ` : "") + text + (values ? `; ${values}` : "");
    slider.setAttribute("aria-valuetext", text);
    for (const button of root.querySelectorAll("button[data-go]")) {
      const go = button.dataset.go;
      button.disabled = (go === "first" || go === "back") && current === 0
        || (go === "last" || go === "next") && current === steps.length - 1;
    }
  };

  // --- moving --------------------------------------------------------------------------------
  const play = root.querySelector("[data-go=play]");
  let timer = 0;
  const pause = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; play.setAttribute("aria-pressed", "false"); };
  const toggle = () => {
    if (timer) return pause();
    if (current === steps.length - 1) show(0);
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => { show(current + 1); if (current === steps.length - 1) pause(); }, 400);
  };
  const moves = {
    first: () => show(0), last: () => show(steps.length - 1),
    back: () => show(current - 1), next: () => show(current + 1), play: toggle,
  };
  root.addEventListener("click", event => {
    const go = event.target.closest("[data-go]")?.dataset.go;
    if (!go) return;
    if (go !== "play") pause();
    moves[go]();
  });
  slider.addEventListener("input", () => { pause(); show(Number(slider.value)); });
  const keys = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last" };
  let visible = false;
  new IntersectionObserver(found => { visible = found[0].isIntersecting; }).observe(root.querySelector(".panels"));
  addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || !(event.key in keys)) return;
    // Elsewhere on the page these keys scroll, and the slider has its own.
    const arrow = event.key.startsWith("Arrow"), target = event.target;
    if (!visible || target === slider || target.closest?.(".scroll")) return;
    if (!arrow && !(target instanceof Node && root.contains(target))) return;
    event.preventDefault();
    pause();
    moves[keys[event.key]]();
  });

  // --- from source to code and back -----------------------------------------------------------
  const codeOf = new Map();
  data.lines.forEach((lines, code) => lines.forEach(line => codeOf.has(line) ? codeOf.get(line).push(code) : codeOf.set(line, [code])));
  const partners = row => {
    const number = Number(row.id.slice(1));
    return row.id[0] === "c" ? data.lines[number].map(line => at(`s${line}`)) : (codeOf.get(number) ?? []).map(code => at(`c${code}`));
  };
  let near = [];
  const forget = () => { near.forEach(row => row.classList.remove("near")); near = []; };
  const rowOf = event => event.target.closest?.(".panel tr[id]");
  root.addEventListener("mouseover", event => {
    forget();
    const row = rowOf(event);
    if (!row) return;
    near = [row, ...partners(row)];
    near.forEach(other => other.classList.add("near"));
  });
  root.addEventListener("mouseleave", forget);
  root.addEventListener("click", event => {
    const row = rowOf(event);
    if (!row) return;
    // The next step that runs it, from here on and then from the start.
    const wanted = new Set(row.id[0] === "c" ? [Number(row.id.slice(1))] : codeOf.get(Number(row.id.slice(1))) ?? []);
    for (let offset = 1; offset <= steps.length; offset++) {
      const step = (current + offset) % steps.length;
      if (wanted.has(steps[step][0])) { pause(); show(step); return; }
    }
  });

  root.classList.add("scripted");
  root.querySelector(".controls").hidden = false;
  root.querySelector(".all-steps").open = false;
  show(0);
})();

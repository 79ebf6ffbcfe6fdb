"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const files = data.files;
  const [list, search, overview, section, name, facts, code] =
    ["list", "search", "overview", "file", "name", "facts", "code"].map((id) => document.getElementById(id));
  let shown = -1;

  const make = (tag, cls, text) => {
    const node = document.createElement(tag);
    if (cls) node.className = cls;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const short = (file) => file.path.slice(file.path.lastIndexOf("/") + 1);
  const percent = (file) => (file.lines.length ? Math.floor(1000 * file.hit / file.lines.length) / 10 : 0);

  // --- the list of files --------------------------------------------------------------------

  const showList = () => {
    const wanted = search.value.trim().toLowerCase();
    list.replaceChildren();
    let above = null;
    files.forEach((file, at) => {
      const named = (file.package + " " + file.path).toLowerCase().includes(wanted);
      const functions = wanted
        ? file.functions.filter(([function_]) => function_.toLowerCase().includes(wanted)) : [];
      if (wanted && !named && !functions.length) return;
      if (file.package !== above) list.append(make("h3", "", above = file.package));
      const link = make("a");
      link.href = `#${at}`;
      link.title = file.path;
      if (at === shown) link.setAttribute("aria-current", "page");
      const bar = make("span", "bar");
      const part = make("i");
      part.style.width = `${percent(file)}%`;
      bar.append(part);
      link.append(make("span", "", short(file)), bar, make("span", "share", `${percent(file)}%`));
      list.append(link);
      for (const [function_, line, count] of functions) {
        const inner = make("a", "function", `${function_} (${count.toLocaleString("en")})`);
        inner.href = `#${at}:${line}`;
        list.append(inner);
      }
    });
    if (!list.childElementCount) list.append(make("h3", "", "nothing found"));
  };

  // --- a file -------------------------------------------------------------------------------

  const WORDS = new Set(("break case chan const continue default defer else fallthrough for func go goto if " +
    "import interface map package range return select struct switch type var nil true false iota").split(" "));
  const PARTS = /\/\/.*|\/\*|`|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[A-Za-z_]\w*/g;

  // Colours one line; `inside` is what an earlier line has left open: "*/", "`" or "".
  const colour = (cell, text, inside) => {
    let at = 0;
    const put = (until, cls) => {
      if (until > at) cell.append(cls ? make("span", cls, text.slice(at, until)) : text.slice(at, until));
      at = Math.max(at, until);
    };
    while (at < text.length) {
      if (inside) {
        const end = text.indexOf(inside, at);
        put(end < 0 ? text.length : end + inside.length, inside === "`" ? "s" : "c");
        if (end < 0) return inside;
        inside = "";
        continue;
      }
      PARTS.lastIndex = at;
      const match = PARTS.exec(text);
      if (!match) break;
      const [part] = match;
      put(match.index, "");
      if (part === "/*" || part === "`") {
        cell.append(make("span", part === "`" ? "s" : "c", part));
        at += part.length;
        inside = part === "`" ? "`" : "*/";
      } else put(at + part.length, part.startsWith("//") ? "c" : /["']/.test(part[0]) ? "s" : WORDS.has(part) ? "k" : "");
    }
    put(text.length, "");
    return inside;
  };

  const row = (line, count) => {
    const made = make("tr", count === undefined ? "" : count ? "hit" : "miss");
    made.id = `line-${line}`;
    const number = make("td", "number", line);
    const times = make("td", "number count", count === undefined ? "" : count.toLocaleString("en"));
    times.title = count === undefined ? "no code of its own, or nobody can tell" : `ran ${count.toLocaleString("en")} times`;
    const text = make("td", "text");
    made.append(number, times, text);
    return [made, text];
  };

  const render = (file) => {
    const counts = new Map(file.lines);
    const table = make("table");
    const body = make("tbody");
    table.append(body);
    if (file.source) {
      let inside = "";
      file.source.forEach((content, at) => {
        const [made, text] = row(at + 1, counts.get(at + 1));
        inside = file.path.endsWith(".go") ? colour(text, content, inside) : (text.append(content), "");
        body.append(made);
      });
    } else {
      const begins = new Map();
      for (const [function_, line] of file.functions)
        begins.set(line, [...(begins.get(line) || []), function_]);
      const lines = [...new Set([...counts.keys(), ...begins.keys()])].sort((a, b) => a - b);
      for (const line of lines) {
        if (begins.has(line)) {
          const gap = make("tr", "gap");
          const text = make("td", "text", begins.get(line).join(", "));
          gap.append(make("td"), make("td"), text);
          body.append(gap);
        }
        if (!counts.has(line)) continue;
        const [made, text] = row(line, counts.get(line));
        for (const [address, instruction, count] of (file.code || {})[line] || [])
          text.append(make("div", count ? "asm" : "asm idle", `${address.toString(16)}  ${instruction}`));
        body.append(made);
      }
    }
    return table;
  };

  const show = () => {
    const match = /^#(\d+)(?::(\d+))?$/.exec(location.hash);
    const at = match ? Number(match[1]) : -1;
    const file = files[at];
    overview.hidden = Boolean(file);
    section.hidden = !file;
    if (file && at !== shown) {
      name.textContent = file.path;
      const lines = file.lines.length.toLocaleString("en");
      facts.textContent = `${file.hit.toLocaleString("en")} of ${lines} lines ran (${percent(file)}%), package ${file.package}` +
        (file.source ? "" : ". The source is not on the host that wrote this page" +
          (file.code ? "; this is its machine code, addresses as in the file." : "; these are its lines."));
      code.replaceChildren(render(file));
      document.getElementById("page").scrollTop = 0;
    }
    if ((file ? at : -1) !== shown) {
      shown = file ? at : -1;
      showList();
      list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    }
    if (file && match[2]) go(document.getElementById(`line-${match[2]}`));
  };

  const go = (made) => {
    code.querySelector("tr.at")?.classList.remove("at");
    if (!made) return;
    made.classList.add("at");
    made.scrollIntoView({ block: "center" });
  };

  // To the next or previous beginning of lines that did not run.
  const step = (by) => {
    const rows = [...code.querySelectorAll("tr[id]")];
    const starts = rows.filter((made, at) => made.classList.contains("miss") && !rows[at - 1]?.classList.contains("miss"));
    if (!starts.length) return;
    const now = rows.indexOf(code.querySelector("tr.at"));
    const later = starts.filter((made) => (rows.indexOf(made) - now) * by > 0 || now < 0);
    go(by > 0 ? later[0] ?? starts[0] : later.at(-1) ?? starts.at(-1));
  };

  const turn = (by) => { location.hash = `#${(shown + by + files.length) % files.length}`; };

  window.addEventListener("hashchange", show);
  search.addEventListener("input", showList);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      const links = list.querySelectorAll("a");
      const link = list.querySelector("a.function") || links[0];
      if (link) location.hash = link.getAttribute("href");
      search.blur();
    }
    if (event.key === "Escape") { search.value = ""; showList(); search.blur(); }
  });
  window.addEventListener("keydown", (event) => {
    if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      "/": () => { search.focus(); search.select(); },
      "n": () => step(1), "p": () => step(-1), "]": () => turn(1), "[": () => turn(shown < 0 ? 0 : -1),
      "Escape": () => { location.hash = ""; },
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  showList();
  show();
})();

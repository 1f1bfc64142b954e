"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const all = (selector, from) => Array.from((from || document).querySelectorAll(selector));
  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
  const number = (count) => count.toLocaleString("en");
  const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

  // Commands: a button that copies what stands before it.
  for (const code of all("code[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy the command");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      button.setAttribute("aria-label", button.textContent);
    });
    code.after(button);
  }

  // Paper cannot be clicked.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
    closed = [];
  });

  const filter = byId("filter");
  if (!filter) return;

  // What is filtered: a kind is one code in one column, an example one row of it. Examples are found by the words of
  // their kind too, so "invalid-email 4711" finds one row.
  const cards = all("#codes > details").map((element) => {
    const examples = all("tr[data-of]", element);
    const title = element.querySelector("h3").textContent;
    const kinds = all("[data-kind]", element).map((row) => ({
      row,
      text: `${title} ${row.textContent}`.toLowerCase(),
      severity: row.dataset.severity,
      column: row.dataset.column,
      count: Number(row.dataset.count),
      examples: examples
        .filter((example) => example.dataset.of === row.dataset.kind)
        .map((example) => ({ row: example, text: all("td", example).map((cell) => cell.textContent).join(" ").toLowerCase() })),
    }));
    return { element, code: element.dataset.code, kinds, table: element.querySelector(".examples") };
  });
  const issueCount = Number(filter.dataset.issues);
  const exampleCount = all("#codes tr[data-of]").length;
  const [text, severity, code, column] = ["f-text", "f-severity", "f-code", "f-column"].map(byId);
  const openedByFilter = new Set();

  const showKind = (kind, wanted) => {
    const fits = (!severity.value || kind.severity === severity.value) && (!column.value || kind.column === column.value);
    let examples = 0;
    for (const example of kind.examples) {
      const found = fits && wanted.every((word) => kind.text.includes(word) || example.text.includes(word));
      example.row.hidden = !found;
      examples += found;
    }
    const found = fits && (examples > 0 || wanted.every((word) => kind.text.includes(word)));
    kind.row.hidden = !found;
    return { found, examples };
  };

  const apply = () => {
    const wanted = words(text.value);
    const active = Boolean(wanted.length || severity.value || code.value || column.value);
    const seen = { cards: 0, examples: 0, issues: 0 };
    for (const card of cards) {
      const chosen = !code.value || card.code === code.value;
      let kinds = 0;
      let examples = 0;
      for (const kind of card.kinds) {
        const shown = chosen ? showKind(kind, wanted) : { found: false, examples: 0 };
        kinds += shown.found;
        examples += shown.examples;
        seen.issues += shown.found ? kind.count : 0;
      }
      seen.examples += examples;
      seen.cards += kinds > 0;
      card.element.hidden = kinds === 0;
      if (card.table) card.table.hidden = examples === 0;
      if (kinds && (wanted.length || code.value) && !card.element.open) {
        card.element.open = true;
        openedByFilter.add(card.element);
      }
    }
    if (!wanted.length && !code.value) {
      for (const element of openedByFilter) element.open = false;
      openedByFilter.clear();
    }
    byId("nothing").hidden = seen.cards > 0;
    byId("f-clear").disabled = !active;
    const examples = `${number(seen.examples)} of ${counted(exampleCount, "example")}`;
    // A text is looked for in the examples, and how many issues beyond them have it nobody has counted.
    if (wanted.length) byId("f-status").textContent = `Showing ${examples}, of ${number(seen.cards)} of ${counted(cards.length, "code")}`;
    else if (active) byId("f-status").textContent = `Showing ${number(seen.issues)} of ${counted(issueCount, "issue")}, ${examples}`;
    else byId("f-status").textContent = `${counted(issueCount, "issue")}, ${counted(exampleCount, "example")}`;
  };

  for (const control of [text, severity, code, column]) control.addEventListener("input", apply);
  byId("f-clear").addEventListener("click", () => {
    for (const control of [text, severity, code, column]) control.value = "";
    apply();
    text.focus();
  });
  byId("f-open").addEventListener("click", (event) => {
    const open = event.currentTarget.getAttribute("aria-pressed") !== "true";
    event.currentTarget.setAttribute("aria-pressed", String(open));
    event.currentTarget.textContent = open ? "Close all" : "Open all";
    for (const card of cards) card.element.open = open;
    openedByFilter.clear();
  });
  filter.hidden = false;
  apply();
})();

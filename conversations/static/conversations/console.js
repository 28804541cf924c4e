// Shortcuts for the console. Every page also works without this script.

(() => {
  const fetchPart = async (url, selector) => {
    const response = await fetch(url, { credentials: "same-origin" });
    if (!response.ok) throw new Error(`${url}: ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return page.querySelector(selector);
  };

  // <div data-load="URL #part"> is filled with that part of that page.
  for (const element of document.querySelectorAll("[data-load]")) {
    const [url, selector] = element.dataset.load.split(" ");
    element.setAttribute("aria-busy", "true");
    fetchPart(url, selector)
      .then((found) => found && element.replaceChildren(found))
      .catch(() => {}) // The link to the page stays.
      .finally(() => element.removeAttribute("aria-busy"));
  }

  // Django labels the search box with an image only.
  document.getElementById("searchbar")?.setAttribute("aria-label", "Search");

  // Select2 hides the <select> that Django's label refers to, so label its own elements.
  window.django?.jQuery?.(() => {
    for (const select of document.querySelectorAll("select.admin-autocomplete")) {
      const label = document.querySelector(`label[for="${select.id}"]`);
      const shown = select.nextElementSibling?.querySelector("[role=combobox]");
      if (!label || !shown) continue;
      label.id ||= `label-of-${select.id}`;
      const text = shown.querySelector("[role=textbox]");
      text.setAttribute("aria-labelledby", label.id);
      shown.setAttribute("aria-labelledby", `${label.id} ${text.id}`);
    }
  });

  // Focus the error, so that screen readers announce it first.
  const refusal = document.querySelector(".errornote, #confirm .errorlist");
  refusal?.setAttribute("tabindex", "-1");
  refusal?.focus();

  // Ask before leaving a page with unsaved text.
  const editable = "form[id$=_form], #confirm:has(.merge)";
  let unsaved = refusal && document.querySelector(editable);
  document.addEventListener("input", ({ target }) => {
    if (target.form?.matches(editable)) unsaved = target.form;
  });
  window.addEventListener("beforeunload", (event) => unsaved && event.preventDefault());

  // Submit a form once on a double click.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.timeStamp - form.dataset.sent < 2000) event.preventDefault();
    else form.dataset.sent = event.timeStamp;
    if (form === unsaved) unsaved = null;
  });

  // <a data-older> loads the entries of its page before the list, or after it ("below").
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-older]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const list = link.closest(".timeline").querySelector(".entries");
    link.setAttribute("aria-busy", "true");
    try {
      const older = await fetchPart(link.href, ".timeline");
      const rows = [...older.querySelector(".entries").children];
      if (link.dataset.older === "below") list.append(...rows);
      else list.prepend(...rows);
      const next = older.querySelector("a[data-older]");
      rows.find((row) => row.hasAttribute("tabindex"))?.focus();
      if (next) link.href = next.href;
      else link.parentElement.remove();
    } catch {
      location.href = link.href;
    } finally {
      link.removeAttribute("aria-busy");
    }
  });
})();

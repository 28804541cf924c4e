// What makes the console quicker. Everything works without it, by following the same links.

(() => {
  const part = async (url, selector) => {
    const response = await fetch(url, { credentials: "same-origin" });
    if (!response.ok) throw new Error(`${url}: ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return page.querySelector(selector);
  };

  // <div data-load="address #part"> shows that part of that page, once it is there.
  for (const place of document.querySelectorAll("[data-load]")) {
    const [url, selector] = place.dataset.load.split(" ");
    place.setAttribute("aria-busy", "true");
    part(url, selector)
      .then((found) => found && place.replaceChildren(found))
      .catch(() => {}) // The link to the page is still there.
      .finally(() => place.removeAttribute("aria-busy"));
  }

  // The search box is labelled by an image, which not every reader takes for a label.
  document.getElementById("searchbar")?.setAttribute("aria-label", "Search");

  // Django's fields with suggestions are no <select> any more, so their labels name nothing.
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

  // Whoever cannot see the page is told first why it was not saved.
  const refusal = document.querySelector(".errornote, #confirm .errorlist");
  refusal?.setAttribute("tabindex", "-1");
  refusal?.focus();

  // What was typed is not lost to a link, or to a button that saves something else.
  const keeps = "form[id$=_form], #confirm:has(.merge)";
  let unsaved = refusal && document.querySelector(keeps);
  document.addEventListener("input", ({ target }) => {
    if (target.form?.matches(keeps)) unsaved = target.form;
  });
  window.addEventListener("beforeunload", (event) => unsaved && event.preventDefault());

  // A double click is one click.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.timeStamp - form.dataset.sent < 2000) event.preventDefault();
    else form.dataset.sent = event.timeStamp;
    if (form === unsaved) unsaved = null;
  });

  // <a data-older> puts what the page behind it lists before (or, newest first, after) this list.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-older]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const list = link.closest(".timeline").querySelector(".entries");
    link.setAttribute("aria-busy", "true");
    try {
      const older = await part(link.href, ".timeline");
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

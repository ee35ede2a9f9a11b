/** Whether the page around the widget is dark: what the host says, else what the system says. */

export function pageIsDark(page: Document): boolean {
  const { body, documentElement: html } = page;
  const jupyter = page.querySelector("[data-jp-theme-light]");
  if (jupyter) return jupyter.getAttribute("data-jp-theme-light") === "false";
  const marks = `${body.className} ${html.className} ${html.dataset.theme ?? ""}`;
  if (/\bvscode-(light|high-contrast-light)\b/.test(marks)) return false;
  if (/\b(vscode-dark|vscode-high-contrast|dark)\b/.test(marks)) return true;
  if (/\blight\b/.test(marks)) return false;
  return page.defaultView?.matchMedia?.("(prefers-color-scheme: dark)").matches ?? false;
}

/** Calls `tell` now and whenever the page's theme changes; returns how to stop. */
export function watchTheme(page: Document, tell: (dark: boolean) => void): () => void {
  const look = () => tell(pageIsDark(page));
  const observer = new MutationObserver(look);
  const watched = {
    attributes: true,
    attributeFilter: ["class", "data-jp-theme-light", "data-theme"],
  };
  observer.observe(page.body, watched);
  observer.observe(page.documentElement, watched);
  const media = page.defaultView?.matchMedia?.("(prefers-color-scheme: dark)");
  media?.addEventListener("change", look);
  look();
  return () => {
    observer.disconnect();
    media?.removeEventListener("change", look);
  };
}

/** Tells when the pointer or the focus goes elsewhere: what is open closes. */
export function elsewhere(node: HTMLElement, close: () => void) {
  function onpointerdown(event: PointerEvent) {
    if (!event.composedPath().includes(node)) close();
  }
  addEventListener("pointerdown", onpointerdown);
  node.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !node.contains(relatedTarget as Node)) close();
  });
  return { destroy: () => removeEventListener("pointerdown", onpointerdown) };
}

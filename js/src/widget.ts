/** The anywidget entry: one view of one model in one element. */
import type { AnyWidget } from "@anywidget/types";
import { mount, unmount } from "svelte";
import type { Traits } from "./state/traits";
import "./theme.css";
import "./parts.css";
import "./columns.css";
import App from "./App.svelte";

const widget: AnyWidget<Traits> = {
  render({ model, el }) {
    const app = mount(App, { target: el, props: { model, width: el.clientWidth } });
    return () => void unmount(app);
  },
};

export default widget;

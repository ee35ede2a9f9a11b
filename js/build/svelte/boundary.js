/**
 * Stands in for svelte's `internal/client/dom/blocks/boundary.js` in the bundle: nothing is ever
 * waited for, and what fails is taken away for `failed`.
 */
import {
  BOUNDARY_EFFECT,
  DESTROYED,
  DESTROYING,
  EFFECT_PRESERVED,
  EFFECT_TRANSPARENT,
} from "../../node_modules/svelte/src/internal/client/constants.js";
import {
  component_context,
  set_component_context,
} from "../../node_modules/svelte/src/internal/client/context.js";
import { queue_micro_task } from "../../node_modules/svelte/src/internal/client/dom/task.js";
import { invoke_error_boundary } from "../../node_modules/svelte/src/internal/client/error-handling.js";
import { Batch } from "../../node_modules/svelte/src/internal/client/reactivity/batch.js";
import {
  block,
  branch,
  destroy_effect,
} from "../../node_modules/svelte/src/internal/client/reactivity/effects.js";
import {
  active_effect,
  active_reaction,
  set_active_effect,
  set_active_reaction,
} from "../../node_modules/svelte/src/internal/client/runtime.js";

export function boundary(anchor, { onerror, failed }, children) {
  let shown = null;
  const own = { error: fail };

  function draw(content) {
    shown = branch(() => {
      active_effect.b = own;
      active_effect.f |= BOUNDARY_EFFECT;
      content();
    });
  }

  function drawAll() {
    try {
      draw(() => children(anchor));
    } catch (error) {
      fail(error);
    }
  }

  function clear() {
    if (shown) destroy_effect(shown);
    shown = null;
  }

  function within(act) {
    const before = [active_effect, active_reaction, component_context];
    set_active_effect(holder);
    set_active_reaction(holder);
    set_component_context(holder.ctx);
    try {
      Batch.ensure();
      act();
    } finally {
      set_active_effect(before[0]);
      set_active_reaction(before[1]);
      set_component_context(before[2]);
    }
  }

  const gone = () => holder.f & (DESTROYED | DESTROYING);

  function fail(error) {
    if (!failed) throw error;
    clear();
    queue_micro_task(() => {
      if (gone()) return;
      try {
        onerror?.(error, reset);
        within(() =>
          draw(() =>
            failed(
              anchor,
              () => error,
              () => reset,
            ),
          ),
        );
      } catch (worse) {
        invoke_error_boundary(worse, holder.parent);
      }
    });
  }

  function reset() {
    if (gone()) return;
    clear();
    within(drawAll);
  }

  const holder = block(drawAll, EFFECT_TRANSPARENT | EFFECT_PRESERVED);
}

export function pending() {
  return 0;
}

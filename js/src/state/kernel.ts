/**
 * Whether Python still listens. anywidget's facade hides the widget's own model, which alone
 * knows `comm_live`; the widget manager keeps it. Hosts without one are taken to be live.
 */
import type { AnyModel } from "@anywidget/types";

interface BackboneModel {
  comm_live?: boolean;
  get(name: string): unknown;
}

interface Manager {
  _models?: Record<string, Promise<BackboneModel>>;
}

export interface KernelWatch {
  stop(): void;
}

/** Calls `tell` now and whenever it changes. `same` recognises the widget's own model. */
export function watchKernel<T extends Record<string, unknown>>(
  model: AnyModel<T>,
  trait: keyof T & string,
  tell: (live: boolean) => void,
): KernelWatch {
  let stopped = false;
  const look = async () => {
    const own = await findOwn(model.widget_manager as unknown as Manager, (found) => {
      return found.get(trait) === model.get(trait);
    });
    if (!stopped && own?.comm_live !== undefined) tell(own.comm_live);
  };
  const changed = () => void look();
  model.on("comm_live_update" as "msg:custom", changed);
  void look();
  return {
    stop() {
      stopped = true;
      model.off("comm_live_update" as "msg:custom", changed);
    },
  };
}

async function findOwn(
  manager: Manager | undefined,
  same: (model: BackboneModel) => boolean,
): Promise<BackboneModel | null> {
  for (const promise of Object.values(manager?._models ?? {})) {
    const found = await promise.catch(() => null);
    if (found && same(found)) return found;
  }
  return null;
}

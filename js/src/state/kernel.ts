/**
 * Whether Python still listens. anywidget's facade hides the widget's own model, which alone
 * knows `comm_live`; the widget manager keeps it. A restart that another page asked for is not
 * told to the manager at all: there the kernel's own status says it. Hosts without either are
 * taken to be live.
 */
import type { AnyModel } from "@anywidget/types";

interface BackboneModel {
  comm_live?: boolean;
  get(name: string): unknown;
}

type StatusSlot = (sender: unknown, status: string) => void;

interface Manager {
  _models?: Record<string, Promise<BackboneModel>>;
  kernel?: {
    statusChanged?: { connect(slot: StatusSlot): void; disconnect(slot: StatusSlot): void };
  } | null;
}

/** A widget that sees its kernel in one of these has lost it. */
const GONE = new Set(["starting", "restarting", "autorestarting", "terminating", "dead"]);

export interface KernelWatch {
  stop(): void;
}

/** Calls `tell` soon and whenever it changes. `trait` tells the widget's own model from others. */
export function watchKernel<T extends Record<string, unknown>>(
  model: AnyModel<T>,
  trait: keyof T & string,
  tell: (live: boolean) => void,
): KernelWatch {
  const manager = model.widget_manager as unknown as Manager | undefined;
  const status = manager?.kernel?.statusChanged;
  let stopped = false;
  const look = async () => {
    const own = await findOwn(manager, (found) => found.get(trait) === model.get(trait));
    if (!stopped && own?.comm_live !== undefined) tell(own.comm_live);
  };
  const changed = () => void look();
  const heard: StatusSlot = (_sender, now) => {
    if (GONE.has(now)) tell(false);
  };
  model.on("comm_live_update" as "msg:custom", changed);
  status?.connect(heard);
  void look();
  return {
    stop() {
      stopped = true;
      model.off("comm_live_update" as "msg:custom", changed);
      status?.disconnect(heard);
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

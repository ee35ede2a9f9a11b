/** The traits of the Python class `Talaria`, as the page sees them. */
import type { RecipeState, Status } from "../wire";

export type Traits = {
  _program: DataView;
  _report: DataView;
  _recipe: RecipeState;
  _status: Status;
  device: string;
  selection: string[];
  targets: Record<string, number>;
};

/** The strip of one view: which chart stands in which column, and what each one shows. */
import { type Chart, type ChartChoices, OUR_CHOICES, placed, roomFor } from "../data/charts";

export class StripState {
  choices = $state.raw<ChartChoices>(OUR_CHOICES);

  shown(width: number): readonly Chart[] {
    return this.choices.order.slice(0, roomFor(width));
  }

  choose(changes: Partial<ChartChoices>) {
    this.choices = { ...this.choices, ...changes };
  }

  show(at: number, chart: Chart) {
    this.choose({ order: placed(this.choices.order, at, chart) });
  }
}

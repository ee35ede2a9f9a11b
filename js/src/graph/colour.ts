/** The colour of a cost: five stops, on a square-root scale. */

export function costShare(cost: number, largest: number): number {
  return largest > 0 && cost > 0 ? Math.sqrt(Math.min(1, cost / largest)) : 0;
}

/** A CSS colour between the theme's `--cost0` and `--cost4`. */
export function costColour(share: number): string {
  const place = share * 4;
  const low = Math.min(3, Math.floor(place));
  const part = Math.round((place - low) * 100);
  return `color-mix(in oklab, var(--cost${low + 1}) ${part}%, var(--cost${low}))`;
}

/** Which of the two inks reads on it. */
export function inkOn(share: number, dark: boolean): "#000" | "#fff" {
  return dark ? (share > 0.51 ? "#000" : "#fff") : share > 0.86 ? "#fff" : "#000";
}

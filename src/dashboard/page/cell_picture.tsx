// Cells as SVG, in places that stay the same over a search.
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { Genotype } from '../../genotype/genotype.ts';
import { steadyLayout, steadyPicture } from '../../report/steady_cells.ts';

/** Gives the picture of one of some genotypes, made once; edges that `previous` has not are emphasised. */
export function useCellPictures(genotypes: readonly Genotype[]): (genotype: Genotype, previous?: Genotype) => Element {
  return useMemo(() => {
    const layout = steadyLayout(genotypes);
    const made = new Map<Genotype, Element>();
    return (genotype, previous) => {
      const known = made.get(genotype);
      if (known !== undefined) return known;
      // As XML: what a run calls its operations is text in it and stays text.
      const parsed = new DOMParser().parseFromString(steadyPicture(layout, genotype, { previous }), 'image/svg+xml');
      const picture = document.importNode(parsed.documentElement, true);
      made.set(genotype, picture);
      return picture;
    };
  }, [genotypes]);
}

export function CellPicture({ picture, label }: { readonly picture: Element | undefined; readonly label: string }) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    place.current?.replaceChildren(...(picture === undefined ? [] : [picture]));
  }, [picture]);
  return <div ref={place} class="cells" role="img" aria-label={label} />;
}

/** The cells of a genotype that stands by itself. */
export function FinalCells({ genotype, label }: { readonly genotype: Genotype; readonly label: string }) {
  const drawn = useMemo(() => [genotype], [genotype]);
  const pictureOf = useCellPictures(drawn);
  return <CellPicture picture={pictureOf(genotype)} label={label} />;
}

/** Icons of the row buttons. */
import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="ncut-icon" viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.4"
      stroke-linecap="round" stroke-linejoin="round">
      {children}
    </svg>
  );
}

export const EyeIcon = ({ closed }: { closed: boolean }) => (
  <Icon>
    <path d="M1.5 8C3.2 4.9 5.4 3.5 8 3.5s4.8 1.4 6.5 4.5C12.8 11.1 10.6 12.5 8 12.5S3.2 11.1 1.5 8Z" />
    {closed ? <path d="M3 13 13 3" /> : <circle cx="8" cy="8" r="2" />}
  </Icon>
);

export const SoloIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="5.5" />
    <circle cx="8" cy="8" r="2" fill="currentColor" />
  </Icon>
);

/** A dashed outline. */
export const MaskIcon = () => (
  <Icon>
    <path d="M2 5V3.5A1.5 1.5 0 0 1 3.5 2H5M11 2h1.5A1.5 1.5 0 0 1 14 3.5V5M14 11v1.5a1.5 1.5 0 0 1-1.5 1.5H11M5 14H3.5A1.5 1.5 0 0 1 2 12.5V11" />
    <path d="M8 5.2v5.600M5.2 8h5.600" />
  </Icon>
);

/** One line that splits in two. */
export const SplitIcon = () => (
  <Icon>
    <path d="M2 8h4l4-4h4M6 8l4 4h4M12 2l2 2-2 2M12 10l2 2-2 2" />
  </Icon>
);

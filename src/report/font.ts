// Where Arimo is missing, fonts of the same widths stand in, so that labels still fit their boxes.
/** The font of every picture. */
export const fontFamily = "Arimo, 'Liberation Sans', Arial, Helvetica, sans-serif";

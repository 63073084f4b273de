import { ArgumentError } from '../errors.ts';

/** The kinds of token that a genotype's text is made of. */
export type TokenKind = 'name' | 'string' | 'integer' | 'decimal' | 'symbol' | 'end';

/** A piece of a genotype's text. */
export interface Token {
  readonly kind: TokenKind;
  /** What it stands for: of a string the contents, with escapes resolved. */
  readonly text: string;
  /** Index of its first character. */
  readonly position: number;
}

const patterns: readonly (readonly [TokenKind, RegExp])[] = [
  ['symbol', /[()[\]{},:=]/y],
  // Python prints small floats with an exponent alone: 1e-05.
  ['decimal', /-?(?:(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)/y],
  ['integer', /-?\d+/y],
  ['name', /[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*/y],
];

const blank = /\s+/y;
const comment = /#.*/y;

/** What Python may put before a quote. */
const stringPrefix = /[ubrUBR]{1,2}(?=['"])/y;

/** Reads a genotype's text token by token; every complaint gives line and column. */
export class TokenReader {
  readonly #text: string;
  #position: number;
  #token: Token | undefined;

  /** `position` is where to begin; what lies behind the last token that is asked for is never looked at. */
  constructor(text: string, position = 0) {
    this.#text = text;
    this.#position = position;
  }

  /** The token that the next `take` returns. */
  get next(): Token {
    this.#token ??= this.#scan();
    return this.#token;
  }

  /** Takes the next token, which must be of this kind and, where given, of this text. */
  take(kind: TokenKind, expectation: string, text?: string): Token {
    const token = this.next;
    if (token.kind !== kind || (text !== undefined && token.text !== text)) {
      throw this.fault(expectation, token.position, found(token));
    }
    this.#token = undefined;
    return token;
  }

  /** Takes a bracket, comma or the like. */
  symbol(text: string): Token {
    return this.take('symbol', `'${text}'`, text);
  }

  /** Whether the next token is this bracket, comma or the like. */
  at(text: string): boolean {
    return this.next.kind === 'symbol' && this.next.text === text;
  }

  /** Reads `open item, item, ... close`, with or without a comma at the end; returns the closing token. */
  items(open: string, close: string, item: () => void): Token {
    this.symbol(open);
    return this.rest(close, item);
  }

  /** The same behind its opening token. */
  rest(close: string, item: () => void): Token {
    while (!this.at(close)) {
      item();
      if (!this.at(close)) this.take('symbol', `',' or '${close}'`, ',');
    }
    return this.symbol(close);
  }

  /** The error for a fault at a position. */
  fault(expectation: string, position: number, actual: string): ArgumentError {
    const lines = this.#text.slice(0, position).split('\n');
    const place = `line ${lines.length}, column ${lines[lines.length - 1].length + 1}`;
    return new ArgumentError(`genotype: expected ${expectation} at ${place} but found ${actual}`);
  }

  #scan(): Token {
    while (this.#skip(blank) || this.#skip(comment));
    const position = this.#position;
    if (position === this.#text.length) return { kind: 'end', text: '', position };
    this.#skip(stringPrefix);
    const first = this.#text[this.#position];
    if (first === "'" || first === '"') return this.#scanString(first, this.#position);
    for (const [kind, pattern] of patterns) {
      pattern.lastIndex = position;
      const text = pattern.exec(this.#text)?.[0];
      if (text === undefined) continue;
      this.#position += text.length;
      return { kind, text, position };
    }
    throw this.fault('a name, a number, a quoted text or a bracket', position, quoted(first));
  }

  /** Whether there was something to skip. */
  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#position;
    if (!pattern.test(this.#text)) return false;
    this.#position = pattern.lastIndex;
    return true;
  }

  #scanString(quote: string, position: number): Token {
    let text = '';
    for (let i = position + 1; i < this.#text.length; i++) {
      const character = this.#text[i];
      if (character === '\n') break;
      if (character === quote) {
        this.#position = i + 1;
        return { kind: 'string', text, position };
      }
      if (character !== '\\') {
        text += character;
      } else {
        const resolved = this.#escape(i);
        text += resolved.character;
        i += resolved.length - 1;
      }
    }
    throw this.fault(`a closing ${quote} for the text that begins`, position, 'none on its line');
  }

  #escape(position: number): { character: string; length: number } {
    const [sequence, plain, hex] =
      /^\\(?:([\\'"/])|u([0-9a-fA-F]{4}))/.exec(this.#text.slice(position, position + 6)) ?? [];
    if (sequence === undefined) {
      throw this.fault(
        'an escape of a quote, a backslash or \\uXXXX',
        position,
        quoted(this.#text.slice(position, position + 2)),
      );
    }
    return { character: plain ?? String.fromCharCode(Number.parseInt(hex, 16)), length: sequence.length };
  }
}

function found(token: Token): string {
  return token.kind === 'end' ? 'the end' : quoted(token.text);
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 37)}...` : text);
}

// The addon for Arm that Debian's cross compiler makes here.
const { platforms, lackFor, compileFor } = (await import(
  new URL('../../scripts/platforms.mjs', import.meta.url).href
)) as {
  platforms: Readonly<Record<string, { readonly compiler: string }>>;
  lackFor(platform: string): string | undefined;
  compileFor(platform: string, options: { readonly stdio: 'pipe' }): string;
};
const platform = 'dartsmith-linux-arm64-glibc';

/** Why it cannot be built here, and what would help; undefined where it can. */
export function armCompilerLack(): string | undefined {
  const lack = lackFor(platform);
  return lack && `${lack} (apt-get install g++-aarch64-linux-gnu)`;
}

/** Builds it as far as it is not there; gives the folder, in which its object files lie as well. */
export function compileForArm(): string {
  return compileFor(platform, { stdio: 'pipe' });
}

/** Reads those. */
export const armObjdump = platforms[platform].compiler.replace('g++', 'objdump');

/** Of this program, whether Deno runs it or it is compiled to a file of its own. */
export const VERSION = "0.1.0";

/** What messages call it. */
export const PROGRAM: string = Deno.build.standalone ? "barrage" : "fw.ts";

/**
 * A look into the JVM that runs, for who is logged in on its machine: threads, memory, a flight recording. The programs open its one
 * door, {@link dev.flk.diagnostics.debug.DebugServer}; nothing here knows what they do.
 */
@NullMarked
package dev.flk.diagnostics.debug;

import org.jspecify.annotations.NullMarked;

/** What a running JVM does: threads, memory, a flight recording. The doors to it are elsewhere. */
@NullMarked
package dev.flk.diagnostics.debug;

import org.jspecify.annotations.NullMarked;

// SPDX-License-Identifier: Apache-2.0
/**
 * Threads that callers share fairly. Used by the engine for work whose length callers determine, so that no caller can
 * occupy all threads. The package knows nothing of the state.
 */
@NullMarked
package dev.flk.state.fair;

import org.jspecify.annotations.NullMarked;

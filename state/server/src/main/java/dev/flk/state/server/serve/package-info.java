// SPDX-License-Identifier: Apache-2.0
/** What {@code flk-state} serves over HTTP: sessions, metrics, probes and the page. */
@NullMarked
package dev.flk.state.server.serve;

import org.jspecify.annotations.NullMarked;

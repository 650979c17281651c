// SPDX-License-Identifier: Apache-2.0
/** Clients: certificates that nobody has seen yet, and the sending of them. */
@NullMarked
package dev.flk.bench.load;

import org.jspecify.annotations.NullMarked;

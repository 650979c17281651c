// SPDX-License-Identifier: Apache-2.0
/** Sources of new certificates, and clients that send them. */
@NullMarked
package dev.flk.bench.load;

import org.jspecify.annotations.NullMarked;

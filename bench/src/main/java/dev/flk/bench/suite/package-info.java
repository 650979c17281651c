// SPDX-License-Identifier: Apache-2.0
/** What is compared with what. */
@NullMarked
package dev.flk.bench.suite;

import org.jspecify.annotations.NullMarked;

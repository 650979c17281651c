// SPDX-License-Identifier: Apache-2.0
/** Single steps of a certificate's way, each by itself, as JMH benchmarks. */
@NullMarked
package dev.flk.bench.step;

import org.jspecify.annotations.NullMarked;

// SPDX-License-Identifier: Apache-2.0
/** The rows of the record as 0.1.0 stored them, which are copied once. This package is gone in 0.3. */
@NullMarked
package dev.flk.backend.outcomes.earlier;

import org.jspecify.annotations.NullMarked;

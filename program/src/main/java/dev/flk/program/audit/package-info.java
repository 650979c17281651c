// SPDX-License-Identifier: Apache-2.0
/** The audit log. Features that reload settings or refuse requests call {@link dev.flk.program.audit.Audit}. */
@NullMarked
package dev.flk.program.audit;

import org.jspecify.annotations.NullMarked;

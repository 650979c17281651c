// SPDX-License-Identifier: Apache-2.0
/** The audit log. Whoever changes something, or refuses a stranger, calls {@link dev.flk.backend.audit.Audit}. */
@NullMarked
package dev.flk.backend.audit;

import org.jspecify.annotations.NullMarked;

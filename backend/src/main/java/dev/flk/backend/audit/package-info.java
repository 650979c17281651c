// SPDX-License-Identifier: Apache-2.0
/** The audit log. Features that reload settings or refuse certificates call {@link dev.flk.backend.audit.Audit}. */
@NullMarked
package dev.flk.backend.audit;

import org.jspecify.annotations.NullMarked;

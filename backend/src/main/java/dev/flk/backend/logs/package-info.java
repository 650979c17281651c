// SPDX-License-Identifier: Apache-2.0
/**
 * The registry in which the backends of one store report their logs, so that a missing log is noticed. Only {@code run}
 * constructs these objects.
 */
@NullMarked
package dev.flk.backend.logs;

import org.jspecify.annotations.NullMarked;

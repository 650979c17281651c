// SPDX-License-Identifier: Apache-2.0
/**
 * The protection of the paths for operators: their login and hosts, the requests that are refused, and the mistakes in
 * requests. Any handler below {@code serve} may use it.
 */
@NullMarked
package dev.flk.backend.serve.guard;

import org.jspecify.annotations.NullMarked;

/**
 * The decision: certificate and policy in, verdict and body out, the same bytes anywhere and at any time. Anyone may call
 * in; no clock, store, network or key is known here.
 */
@NullMarked
package dev.flk.verification;

import org.jspecify.annotations.NullMarked;

// SPDX-License-Identifier: Apache-2.0
/**
 * Sending from the outbox to the backend: signing, requests, answers, backoff, the circuit breaker. The entry point is
 * {@code Sender}, which the running agent creates. The command line signs a single certificate with {@code
 * SendingForm}, and the doctor sends requests to a backend through {@code BackendClient}.
 */
@NullMarked
package dev.flk.agent.send;

import org.jspecify.annotations.NullMarked;

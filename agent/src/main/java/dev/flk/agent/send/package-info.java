/**
 * Sending from the outbox to the backend: signing, requests, answers, backoff, the circuit breaker. {@code Sender} is
 * the entry point, which the running agent creates. The command line signs a single certificate with
 * {@code SendingForm}, and the doctor asks a backend through {@code BackendClient}.
 */
@NullMarked
package dev.flk.agent.send;

import org.jspecify.annotations.NullMarked;

/**
 * From the outbox to the backend: signing, requests, answers, backoff, the breaker. {@code Sender} is the door; the wiring
 * of the agent constructs it. The command line signs a single certificate with {@code SendingForm}, and the doctor asks a
 * backend through {@code BackendClient}.
 */
@NullMarked
package dev.flk.agent.send;

import org.jspecify.annotations.NullMarked;

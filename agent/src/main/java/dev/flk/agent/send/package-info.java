/**
 * From the outbox to the backend: signing, requests, answers, backoff, the breaker. {@code Sender} is the door; the wiring
 * of the agent constructs it. The command line calls in through {@code SendingForm} to sign a single certificate.
 */
@NullMarked
package dev.flk.agent.send;

import org.jspecify.annotations.NullMarked;

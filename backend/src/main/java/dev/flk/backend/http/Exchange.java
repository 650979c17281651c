// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.ingest.Submission;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A request that was begun, and the place of its answer among those of its connection. {@link #answer} and
 * {@link #answerLater} may be called on any thread, and the first call counts; everything else belongs to the event loop.
 */
final class Exchange {
    private final Connection connection;
    private final Loop loop;
    private final boolean isHead;
    private final boolean isHttp10;
    private @Nullable Answer answer;
    private final List<BodyBuffer> held = new ArrayList<>(1);
    private boolean isLast;
    private boolean wantsContinue;

    Exchange(Connection connection, Loop loop, RequestHead head) {
        this.connection = connection;
        this.loop = loop;
        this.isHead = head.isHead();
        this.isHttp10 = head.isHttp10();
    }

    /** For the answer to what could not be read as a request. */
    Exchange(Connection connection, Loop loop) {
        this.connection = connection;
        this.loop = loop;
        this.isHead = false;
        this.isHttp10 = false;
    }

    /** Hands these to ingest with all else that arrives in this turn of the event loop. */
    void submit(List<Submission> submissions) {
        loop.turn().add(submissions);
    }

    void answer(Answer given) {
        answerLater(() -> given);
    }

    /** As {@link #answer}; {@code given} is asked on the event loop. */
    void answerLater(Supplier<Answer> given) {
        loop.answers().add(this, given);
    }

    /** Puts the first answer in its place; the connection writes it when its turn has come. */
    void complete(Answer given) {
        if (answer == null) {
            answer = given;
            wantsContinue = false;
            held.forEach(BodyBuffer::release);
            held.clear();
        }
    }

    boolean isAnswered() {
        return answer != null;
    }

    @Nullable
    Answer answer() {
        return answer;
    }

    Connection connection() {
        return connection;
    }

    /** Whether the answer goes without its body. */
    boolean isHead() {
        return isHead;
    }

    /** Whether the client must be told that the connection stays open. */
    boolean isHttp10() {
        return isHttp10;
    }

    /** Whether the connection ends with this answer. */
    boolean isLast() {
        return isLast;
    }

    void makeLast() {
        isLast = true;
    }

    /** Whether the client waits for a {@code 100 Continue} that was not sent yet. */
    boolean wantsContinue() {
        return wantsContinue;
    }

    void setWantsContinue(boolean wantsContinue) {
        this.wantsContinue = wantsContinue;
    }

    /** Keeps {@code body} on the budget until the answer is there, whatever happens meanwhile. */
    void hold(BodyBuffer body) {
        held.add(body);
    }

    long heldBytes() {
        return held.stream().mapToLong(BodyBuffer::heldBytes).sum();
    }
}

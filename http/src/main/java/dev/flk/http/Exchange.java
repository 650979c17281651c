// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Admission.Visitor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A request that was begun, and the place of its answer among those of its connection. {@link #answer} and
 * {@link #answerLater} may be called on any thread, and the first call counts; everything else is for the event loop.
 */
public final class Exchange {
    private static final Logger log = LoggerFactory.getLogger(Exchange.class);

    private final Connection connection;
    private final Loop loop;
    private final ServerLoad load;
    private final boolean isHead;
    private final boolean isHttp10;
    private @Nullable Answer answer;
    private final List<BodyBuffer> held = new ArrayList<>(1);
    private boolean isLast;
    private boolean wantsContinue;
    private boolean holdsPlace;
    private long moreBytes;
    private boolean discarded;
    /** What the answer counts against the bound, before and after it is there. */
    private long answerBytes;

    Exchange(Connection connection, Loop loop, ServerLoad load, RequestHead head) {
        this.connection = connection;
        this.loop = loop;
        this.load = load;
        this.isHead = head.isHead();
        this.isHttp10 = head.isHttp10();
    }

    /** For the answer to what could not be read as a request. */
    Exchange(Connection connection, Loop loop, ServerLoad load) {
        this.connection = connection;
        this.loop = loop;
        this.load = load;
        this.isHead = false;
        this.isHttp10 = false;
    }

    /** Who sent it, as {@link Admission} has it. */
    public Visitor visitor() {
        return connection.visitor();
    }

    /** Takes a place among the requests under way, until the answer is there; false if there is none. */
    boolean takePlace() {
        holdsPlace = load.requests().take(1);
        return holdsPlace;
    }

    /** Makes sure that an answer of {@code bytes} can be kept; false if it can't. */
    public boolean reserveAnswer(long bytes) {
        return reserved(bytes, load.answerBytes().take(bytes));
    }

    /** The same for what must leave half of the room to others. */
    public boolean reserveLesserAnswer(long bytes) {
        return reserved(bytes, load.answerBytes().takeOfHalf(bytes));
    }

    private boolean reserved(long bytes, boolean taken) {
        answerBytes += taken ? bytes : 0;
        return taken;
    }

    /** Runs what it gets after everything that the connections of this event loop had to read in this turn. */
    public Executor afterReading() {
        return loop.afterReading();
    }

    /** Runs {@code work} on a thread for long bodies, and reads no more of this connection until then; answers 503, and returns false, if too many wait for one. */
    public boolean runElsewhere(Runnable work) {
        connection.beginWork();
        boolean taken = loop.runElsewhere(() -> safely(work), connection::endWork);
        if (!taken) {
            connection.endWork();
            refuseEarly();
        }
        return taken;
    }

    /** Runs {@code work}, which answers this; if it throws, answers in its place: the client would wait, and its bytes stay counted. Any thread. */
    public void safely(Runnable work) {
        try {
            work.run();
        } catch (OutOfMemoryError e) {
            // a long body asked for it, in one piece
            refuseEarly();
        } catch (RuntimeException | StackOverflowError e) {
            log.error("A request could not be served", e);
            answer(Refusal.internalError());
        }
    }

    /** Answers. Any thread; the first answer counts. */
    public void answer(Answer given) {
        answerLater(() -> given);
    }

    /** As {@link #answer}; {@code given} is asked on the event loop. */
    public void answerLater(Supplier<Answer> given) {
        loop.answers().add(this, given);
    }

    /** Puts the first answer in its place; the connection writes it when its turn has come. */
    void complete(Answer given) {
        if (answer == null) {
            answer = given;
            wantsContinue = false;
            held.forEach(BodyBuffer::release);
            held.clear();
            load.bodyBytes().giveBack(moreBytes);
            moreBytes = 0;
            load.requests().giveBack(holdsPlace ? 1 : 0);
            holdsPlace = false;
            load.answerBytes().add(given.heldBytes() - answerBytes);
            answerBytes = given.heldBytes();
            if (discarded) {
                answerTaken();
            }
        }
    }

    /** The network has taken the answer, or nobody will. */
    void answerTaken() {
        load.answerBytes().giveBack(answerBytes);
        answerBytes = 0;
    }

    /** The connection is gone: the answer is not kept, whether it is there or comes later. */
    void discard() {
        discarded = true;
        if (answer != null) {
            answerTaken();
        }
    }

    /** Whether the connection is gone, or answered: nobody waits for more. */
    boolean isOver() {
        return discarded || answer != null;
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

    /** Counts {@code bytes} more that working on the body takes, until the answer is there; false if there is no room. */
    public boolean holdMore(long bytes) {
        if (!load.bodyBytes().take(bytes)) {
            return false;
        }
        moreBytes += bytes;
        return true;
    }

    /** Answers 503: there is no room for it. Any thread. */
    public void refuseEarly() {
        connection.refusedEarly();
        answer(Refusal.overloaded());
    }

    /** Keeps {@code body} counted until the answer is there, whatever happens meanwhile. */
    void hold(BodyBuffer body) {
        held.add(body);
    }

    long heldBytes() {
        long bytes = 0;
        for (BodyBuffer body : held) {
            bytes += body.heldBytes();
        }
        return bytes;
    }
}

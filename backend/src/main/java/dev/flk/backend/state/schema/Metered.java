// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import com.networknt.schema.Error;
import com.networknt.schema.ExecutionConfig;
import com.networknt.schema.ExecutionContext;
import com.networknt.schema.SchemaException;
import dev.flk.state.Schemas.Steps;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import java.util.Locale;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The context of one compilation or check, which counts its steps and limits its depth. It belongs to one thread, on
 * which {@link #current} returns it, because the library passes no context to regular expressions and constructors.
 */
final class Metered extends ExecutionContext {
    /** The maximum number of keywords that are evaluated within one another. */
    private static final int MOST_DEPTH = 1_000;
    /** The steps for a violation, which needs more memory than other steps. */
    private static final int VIOLATION_STEPS = 100;

    private static final ThreadLocal<@Nullable Metered> CURRENT = new ThreadLocal<>();

    private final Steps steps;
    private final boolean isCompilation;
    private int depth;

    /** The reason why a step ended a compilation or a check; the library passes this exception on without logging it. */
    static final class Stopped extends SchemaException {
        private static final long serialVersionUID = 1;

        private final StateException why;

        Stopped(StateException why) {
            super(why.getMessage());
            this.why = why;
        }

        StateException why() {
            return why;
        }

        @Override
        public synchronized Throwable fillInStackTrace() {
            return this; // the message explains the error completely
        }
    }

    private Metered(Steps steps, boolean isCompilation) {
        super(ExecutionConfig.builder()
                .locale(Locale.ENGLISH)
                .formatAssertionsEnabled(false)
                .failFast(true)
                .build());
        this.steps = steps;
        this.isCompilation = isCompilation;
    }

    /** Runs a check, whose steps are counted; throws {@link Stopped} if there are too many. */
    static <T> T checking(Steps steps, Supplier<T> check) {
        return with(new Metered(steps, false), check);
    }

    /** Runs a compilation, whose steps are counted; throws {@link Stopped} if there are too many. */
    static <T> T compiling(Steps steps, Supplier<T> compilation) {
        return with(new Metered(steps, true), compilation);
    }

    private static <T> T with(Metered metered, Supplier<T> run) {
        Metered outer = CURRENT.get();
        CURRENT.set(metered);
        try {
            return run.get();
        } finally {
            CURRENT.set(outer);
        }
    }

    static Metered current() {
        Metered current = CURRENT.get();
        if (current == null) {
            throw new IllegalStateException("no schema is being compiled or checked on this thread");
        }
        return current;
    }

    /**
     * Counts the steps of constructing a part of a schema. A part that a check constructs does not count, because only
     * the first check constructs it, and all checks must count the same.
     */
    void takeForConstruction(long count) {
        if (isCompilation) {
            take(count);
        }
    }

    void take(long count) {
        try {
            steps.take(count);
        } catch (StateException e) {
            throw new Stopped(e);
        }
    }

    /** Begins a nested evaluation, which {@link #leave} ends. */
    void enter() {
        if (++depth > MOST_DEPTH) {
            throw new Stopped(Reason.INVALID.because(
                    "more than " + MOST_DEPTH + " keywords of the schema would be evaluated within one another"));
        }
    }

    void leave() {
        depth--;
    }

    int depth() {
        return depth;
    }

    @Override
    public void addError(Error error) {
        take(VIOLATION_STEPS);
        super.addError(error);
    }
}

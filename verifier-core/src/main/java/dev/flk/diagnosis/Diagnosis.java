// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What is to be said of a signature. */
public sealed interface Diagnosis {
    /** Calls the one case that applies; a new kind of diagnosis breaks every caller at compile time. */
    <R> R match(Cases<R> cases);

    /** Whether a backend with the same keys takes the signature. */
    default boolean isTaken() {
        return this instanceof Good || this instanceof NotChecked;
    }

    /** One method per kind of diagnosis. */
    interface Cases<R> {
        R good(Good good);

        R notChecked(NotChecked notChecked);

        R missing(Missing missing);

        R unreadable(Unreadable unreadable);

        R explained(Explained explained);

        R unexplained(Unexplained unexplained);
    }

    /**
     * It verifies.
     *
     * @param key its id
     */
    record Good(String key) implements Diagnosis {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.good(this);
        }
    }

    /** There is no key to check it with, and none is asked for. */
    record NotChecked() implements Diagnosis {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.notChecked(this);
        }
    }

    /** There is none. */
    record Missing() implements Diagnosis {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.missing(this);
        }
    }

    /** It can't be a signature of any kind. */
    record Unreadable(String why) implements Diagnosis {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.unreadable(this);
        }
    }

    /**
     * What was signed was found.
     *
     * @param differences what was done otherwise, at least one, in the order of the causes
     * @param key the id of the one that was used; empty if none was
     * @param keyName where it comes from; null for one that is configured
     * @param signed the text that was signed
     * @param canonical the one that should have been
     */
    record Explained(
            List<Difference> differences,
            Optional<String> key,
            @Nullable String keyName,
            byte[] signed,
            byte[] canonical,
            Tried tried)
            implements Diagnosis {
        public Explained {
            differences = List.copyOf(differences);
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.explained(this);
        }
    }

    /**
     * Nothing that was tried made the signature.
     *
     * @param hint what its length tells; empty if nothing
     * @param canonical the text that should have been signed
     */
    record Unexplained(String hint, byte[] canonical, Tried tried) implements Diagnosis {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.unexplained(this);
        }
    }

    /**
     * How far the search went.
     *
     * @param combinations of text, key and use of the key
     * @param complete whether there was time and memory for all there are
     */
    record Tried(long combinations, boolean complete) {}
}

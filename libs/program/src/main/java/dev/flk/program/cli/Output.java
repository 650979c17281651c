// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import dev.flk.program.json.Json;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The output of a command. With {@code --json}, each result is one JSON object on its own line, which is {@link
 * Printable#json}; otherwise, each result is text.
 */
public final class Output {
    private final Consumer<String> out;
    private final boolean isJson;

    /** @param out a function that prints text, which must include its own line endings */
    public Output(Consumer<String> out, boolean isJson) {
        this.out = out;
        this.isJson = isJson;
    }

    /** Prints a result. */
    public <R> void print(R result, Function<? super R, String> text) {
        out.accept(isJson ? Printable.json(Json.line(result)) : text.apply(result));
    }

    /** Prints a result. As JSON, the result has a member {@code type} that distinguishes the line from other lines. */
    public <R> void print(String type, R result, Function<? super R, String> text) {
        out.accept(isJson ? Printable.json(Json.line(type, result)) : text.apply(result));
    }

    /**
     * Prints results of one type. As text, all results are formatted together, for example as a table: {@code
     * printAll("file", files, table::of)}.
     */
    public <R> void printAll(String type, List<R> results, Function<List<R>, String> text) {
        if (isJson) {
            results.forEach(result -> out.accept(Printable.json(Json.line(type, result))));
        } else {
            out.accept(text.apply(results));
        }
    }

    /** Prints text that repeats or explains the results; prints nothing with {@code --json}. */
    public void note(String text) {
        if (!isJson) {
            out.accept(text);
        }
    }
}

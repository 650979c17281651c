// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.DeadLetter;
import dev.flk.agent.outbox.DeadLetter.Checksum;
import dev.flk.agent.outbox.DeadLetter.DeadLetterFilter;
import dev.flk.agent.outbox.DeadLetterFile;
import dev.flk.agent.outbox.DeadLetters;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.json.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "dlq",
        header = "Show, requeue or purge dead letters.",
        description = {
            "Dead letters are certificates that were given up. They are in the file DLQ_PATH,",
            "one JSON object per line. These commands also work while an agent runs."
        })
final class DlqCommand implements Runnable {
    private final Context context;

    DlqCommand(Context context) {
        this.context = context;
    }

    @Override
    public void run() {
        throw new UsageError("name a subcommand: list, show, requeue or purge");
    }

    /**
     * The options that select dead letters. A dead letter is selected if it meets every given option; for {@code --id},
     * it is sufficient to match one of the given ids.
     */
    static final class Which {

        @Option(names = "--reason", paramLabel = "TEXT", description = "Only letters whose reason contains this text.")
        private @Nullable String reason;

        @Option(
                names = "--since",
                paramLabel = "TIME",
                description = "Only letters since this time, such as 2026-11-20T08:00:00Z, or 2d for two days ago.")
        private @Nullable String since;

        @Option(
                names = "--id",
                paramLabel = "ID",
                description =
                        "Only the letter with this pcs_id, beginning of a pcs_id, or outbox sequence; may be repeated.")
        private List<String> ids = List.of();

        DeadLetterFilter filter() {
            return new DeadLetterFilter(
                    Optional.ofNullable(reason),
                    Optional.ofNullable(since).map(text -> Context.time("--since", text)),
                    ids);
        }
    }

    @Command(name = "list", header = "List dead letters.")
    int list(@Mixin Which which, @Option(names = "--json", description = "Print the lines of the file.") boolean json)
            throws Exception {
        Output output = context.output(json);
        DeadLetterFilter filter = withCompleteIds(which.filter());
        int[] count = new int[1];
        Selection selected = select(filter, letter -> {
            count[0]++;
            output.print(Json.raw(letter.line()), line -> inOneLine(letter));
        });
        output.note(ErrorMessages.count(count[0], "dead letter") + "\n");
        complain(selected.unchecked(), selected.damaged());
        return 0;
    }

    @Command(name = "show", header = "Show one dead letter and its certificate.")
    int show(
            @Parameters(
                            paramLabel = "ID",
                            description =
                                    "Its pcs_id, or at least the first 8 characters of it, or its outbox sequence.")
                    String id,
            @Option(names = "--json", description = "Print the line of the file.") boolean json)
            throws Exception {
        DeadLetterFilter filter =
                withCompleteIds(new DeadLetterFilter(Optional.empty(), Optional.empty(), List.of(id)));
        int[] count = new int[1];
        select(filter, letter -> {
            count[0]++;
            context.output(json).print(Json.raw(letter.line()), line -> inFull(letter));
        });
        if (count[0] == 0) {
            String howLong = id.matches("[0-9]+") || id.length() >= LetterIds.MIN_BEGINNING
                    ? ""
                    : "give at least " + LetterIds.MIN_BEGINNING + " characters of its id. ";
            throw new IOException("no dead letter matches " + id + "; " + howLong + "'flk-agent dlq list' lists all");
        }
        return 0;
    }

    @Command(
            name = "requeue",
            header = "Return dead letters to the outbox, to be sent again.",
            description = {
                "Adds the certificates to the outbox, forces them to disk, and then removes their",
                "letters from the file. Running it twice sends the certificates once. Damaged",
                "letters are refused: exit code 1."
            })
    int requeue(@Mixin Which which, @Mixin Change change) throws Exception {
        return change(which, change, "requeued");
    }

    @Command(
            name = "purge",
            header = "Remove dead letters permanently.",
            description = "Removes their certificates, too. Damaged letters stay: exit code 1.")
    int purge(@Mixin Which which, @Mixin Change change) throws Exception {
        return change(which, change, "purged");
    }

    /** The options of {@code requeue} and {@code purge}, in addition to the options of {@link Which}. */
    static final class Change {
        @Option(names = "--all", description = "All dead letters.")
        private boolean all;

        @Option(names = "--dry-run", description = "Only print how many.")
        private boolean dryRun;

        @Option(names = "--json", description = "Print one JSON object.")
        private boolean json;
    }

    private int change(Which which, Change how, String done) throws Exception {
        DeadLetterFilter filter = which.filter();
        if (filter.isAll() != how.all) {
            throw new UsageError(
                    how.all
                            ? "--all can't be combined with --reason, --since or --id"
                            : "select letters by --reason, --since or --id, or give --all");
        }
        AgentConfig config = context.config();
        DeadLetterFilter complete = withCompleteIds(filter);
        Selection selected = select(complete, letter -> {});
        int count = how.dryRun ? selected.intact() : apply(config, complete, done.equals("requeued"));
        context.output(how.json)
                .print(
                        Map.of(how.dryRun ? "matching" : done, count),
                        result -> ErrorMessages.count(count, "dead letter") + " " + (how.dryRun ? "would be " : "")
                                + done + "\n");
        // the lines have other numbers now
        return complain(selected.unchecked(), select(complete, letter -> {}).damaged());
    }

    private static int apply(AgentConfig config, DeadLetterFilter filter, boolean requeue) throws IOException {
        return OutboxAccess.either(
                config,
                outbox -> {
                    try (DeadLetters letters = DeadLetters.open(config.deadLetters(), outbox)) {
                        return requeue ? letters.requeue(filter) : letters.purge(filter);
                    }
                },
                agent -> requeue ? agent.requeue(filter) : agent.purge(filter));
    }

    private DeadLetterFilter withCompleteIds(DeadLetterFilter filter) throws Exception {
        return new DeadLetterFilter(
                filter.reason(),
                filter.since(),
                LetterIds.complete(context.config().deadLetters(), filter.ids()));
    }

    /**
     * The dead letters that a filter selects.
     *
     * @param unchecked the number of intact ones that have no checksum
     * @param damaged a sentence for each damaged line
     */
    private record Selection(int intact, int unchecked, List<String> damaged) {}

    private Selection select(DeadLetterFilter filter, Consumer<DeadLetter> letters) throws Exception {
        int[] count = new int[2];
        List<String> damaged = DeadLetterFile.letters(context.config().deadLetters(), filter, letter -> {
            count[0] += letter.isDamaged() ? 0 : 1;
            count[1] += letter.checksum() == Checksum.MISSING ? 1 : 0;
            letters.accept(letter);
        });
        return new Selection(count[0], count[1], damaged);
    }

    /** Prints what is damaged, and how many dead letters have no checksum. Returns the exit code. */
    private int complain(int unchecked, List<String> damaged) {
        context.out().flush();
        damaged.forEach(context::complain);
        if (unchecked > 0) {
            context.complain(ErrorMessages.count(unchecked, "dead letter")
                    + " without a checksum, as version 0.1 wrote them: damage would not be noticed");
        }
        if (!damaged.isEmpty()) {
            context.complain("damaged lines are not sent and stay in the file; compare them with the data of their"
                    + " producer, then remove them, or only their member crc32c to accept them as they are");
        }
        return damaged.isEmpty() ? 0 : 1;
    }

    /** Formats a dead letter on two lines of at most 80 columns. Truncates the id and the reason if necessary. */
    private static String inOneLine(DeadLetter letter) {
        String id = letter.pcsId().isEmpty() ? "(no id)" : shorten(Printable.of(letter.pcsId()), 16);
        return String.format(
                "%s  #%-8d %-17s %-3s %s%s%n    %s%n",
                letter.when().toString().replaceFirst("\\.\\d+", ""),
                letter.sequence(),
                id,
                letter.status() == 0 ? "-" : Integer.toString(letter.status()),
                letter.attempts() == 1 ? "1 attempt" : letter.attempts() + " attempts",
                letter.isDamaged() ? ", damaged" : "",
                shorten(Printable.of(letter.reason()), 76));
    }

    private static String inFull(DeadLetter letter) {
        return Paragraph.wrapped(
                        13,
                        "given up\t" + letter.when() + "\noutbox\t#" + letter.sequence() + ", added "
                                + Instant.ofEpochMilli(letter.addedMillis()) + "\npcs_id\t"
                                + (letter.pcsId().isEmpty() ? "none" : Printable.of(letter.pcsId())) + "\nstatus\t"
                                + (letter.status() == 0 ? "none: the agent gave it up by itself" : letter.status())
                                + "\nattempts\t"
                                + letter.attempts() + "\nreason\t" + Printable.of(letter.reason())
                                + switch (letter.checksum()) {
                                    case MATCHES -> "";
                                    case MISSING -> "\nchecksum\tnone, as version 0.1 wrote it";
                                    case DIFFERS -> "\nchecksum\tdiffers: the line is damaged";
                                })
                + "certificate\n" + Printable.json(text(letter.certificate())) + "\n";
    }

    private static String shorten(String text, int columns) {
        return text.length() <= columns ? text : text.substring(0, columns - 1) + "…";
    }

    private static String text(byte[] utf8) {
        return new String(utf8, StandardCharsets.UTF_8);
    }

    /** The completion of abbreviated ids. Users may abbreviate the id of a dead letter to its beginning. */
    private static final class LetterIds {
        /** The minimum length of an abbreviated id, in characters; a shorter text would often match several ids. */
        static final int MIN_BEGINNING = 8;

        private static final int ID_LENGTH = 64;
        private static final int MOST_NAMED = 5;
        /** The character that {@code dlq list} prints at the end of a truncated id. */
        private static final String CUT = "…";

        private LetterIds() {}

        /**
         * Replaces each abbreviated id by the complete id that begins with it, and returns the results in the given
         * order. Complete ids, outbox sequences of dead letters in the file, and texts that match no id are not
         * replaced. A {@link #CUT} at the end of an abbreviated id is ignored.
         *
         * @throws IOException if an abbreviated id matches several ids; the message names some of these ids
         */
        static List<String> complete(Path file, List<String> given) throws IOException {
            List<String> complete = new ArrayList<>();
            for (String id : given) {
                String text = id.endsWith(CUT) ? id.substring(0, id.length() - CUT.length()) : id;
                boolean cut = text.length() >= MIN_BEGINNING && text.length() < ID_LENGTH;
                complete.add(cut ? idBeginningWith(file, text) : id);
            }
            return complete;
        }

        private static String idBeginningWith(Path file, String text) throws IOException {
            Set<String> found = new TreeSet<>();
            Set<String> asGiven = new HashSet<>();
            DeadLetterFile.letters(file, any -> true, letter -> {
                if (letter.pcsId().equals(text)
                        || Long.toString(letter.sequence()).equals(text)) {
                    asGiven.add(text);
                }
                if (letter.pcsId().startsWith(text) && found.size() <= MOST_NAMED) {
                    found.add(letter.pcsId());
                }
            });
            if (!asGiven.isEmpty() || found.isEmpty()) {
                return text;
            }
            if (found.size() > 1) {
                List<String> named =
                        found.stream().limit(MOST_NAMED).map(LetterIds::shown).toList();
                throw new IOException(
                        Printable.of(text) + " is the beginning of several ids: " + String.join(", ", named)
                                + (found.size() > MOST_NAMED ? " and more" : "") + "; give more characters");
            }
            return found.iterator().next();
        }

        /**
         * Returns a printable form of an id. The id may be any text, because it comes from an untrusted certificate.
         */
        private static String shown(String id) {
            return Printable.of(id.length() <= ID_LENGTH ? id : id.substring(0, ID_LENGTH) + CUT);
        }
    }
}

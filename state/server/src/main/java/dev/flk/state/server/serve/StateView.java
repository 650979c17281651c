// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.serve;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.github.difflib.text.DiffRow;
import com.github.difflib.text.DiffRowGenerator;
import dev.flk.program.json.Json;
import dev.flk.state.Event;
import dev.flk.state.History;
import dev.flk.state.History.At;
import dev.flk.state.StateEngine;
import dev.flk.state.StateKey;
import dev.flk.state.Storage.Head;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Page;
import dev.flk.state.Version;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The view of a place in the state of agents: the namespaces, the agents of a namespace, the keys of an agent, the
 * versions of a key, or the newest events at one of these places.
 *
 * @param crumbs the path to this place: the places above it, followed by the place itself
 * @param kind what the entries are
 * @param entries the places below; empty for a key and for events
 * @param next the address of the next page of entries, or of the earlier events; null on the last page
 * @param versions the versions of a key, the newest first
 * @param compared the chosen version of the key, side by side with the version before it; null for other places
 * @param events the newest events, the newest first
 * @param eventsAddress the address of the events at this place; null if the view shows them
 */
public record StateView(
        Instant at,
        List<Link> crumbs,
        String kind,
        List<Entry> entries,
        @Nullable String next,
        List<Written> versions,
        @Nullable Compared compared,
        List<Change> events,
        @Nullable String eventsAddress) {
    private static final String PATH = "/ui/state";
    private static final int PAGE = 200;
    private static final int MOST_VERSIONS = 50;
    private static final int MOST_EVENTS = 100;
    private static final int MOST_CHANGES = 100;
    private static final int EVENTS_AT_ONCE = 20;
    private static final int MOST_BYTES = 64 << 10;
    private static final int MOST_LINES = 2_000;
    private static final int MOST_SHORT = 120;

    /** A name with an address. */
    public record Link(String name, String address) {}

    /**
     * A place below the current place.
     *
     * @param version the newest version of a key; 0 if it is not a key
     */
    public record Entry(Link link, long version) {
        private static Entry of(String name, long version, Place place) {
            return new Entry(new Link(name, place.address()), version);
        }
    }

    /** A version of the key. */
    public record Written(Link link, long revision, Instant at, boolean isDeleted) {}

    /**
     * A version of a key side by side with the version before it.
     *
     * @param title the names of both versions
     * @param problem the reason why the versions can't be compared; empty if they can
     */
    public record Compared(String title, String problem, List<Line> lines) {}

    /**
     * A line of both versions.
     *
     * @param css {@code same}, {@code removed}, {@code added} or {@code changed}
     */
    public record Line(String before, String after, String css) {}

    /** A change of a key in an event. */
    public record Change(long revision, Instant at, Link key, String namespace, String agent, String value) {}

    /**
     * A place in the state. The texts of levels that are not chosen are empty.
     *
     * @param version a version of the key or, for events, the revision before which the events end; 0 for the newest
     * @param showsEvents whether the newest events are shown instead of the places below
     * @param after where a page begins; null for the first page
     */
    public record Place(
            String namespace,
            String agent,
            String key,
            long version,
            boolean showsEvents,
            @Nullable String after) {
        private Map<String, String> parameters() {
            Map<String, String> parameters = new LinkedHashMap<>();
            parameters.put("namespace", namespace);
            parameters.put("agent", agent);
            parameters.put("key", key);
            parameters.values().removeIf(String::isEmpty);
            return parameters;
        }

        private String address() {
            return StateView.address(parameters());
        }

        private String with(String parameter, String value) {
            Map<String, String> parameters = parameters();
            parameters.put(parameter, value);
            return StateView.address(parameters);
        }

        private static Place of(String namespace, String agent, String key) {
            return new Place(namespace, agent, key, 0, false, null);
        }

        private List<Link> crumbs() {
            List<Link> crumbs = new ArrayList<>(List.of(new Link("all namespaces", PATH)));
            if (!namespace.isEmpty()) {
                crumbs.add(new Link(namespace, of(namespace, "", "").address()));
            }
            if (!agent.isEmpty()) {
                crumbs.add(new Link(agent, of(namespace, agent, "").address()));
            }
            if (!key.isEmpty()) {
                crumbs.add(new Link(key, address()));
            }
            return crumbs;
        }
    }

    private static String address(Map<String, String> parameters) {
        return parameters.isEmpty()
                ? PATH
                : parameters.entrySet().stream()
                        .map(each -> each.getKey() + "="
                                + URLEncoder.encode(each.getValue(), StandardCharsets.UTF_8)
                                        .replace("+", "%20"))
                        .collect(Collectors.joining("&", PATH + "?", ""));
    }

    /** Reads the view of a place. */
    public static StateView read(StateEngine engine, Place place, Instant now) {
        if (place.showsEvents()) {
            return events(engine, place, now);
        }
        if (!place.key().isEmpty()) {
            return key(engine, place, now);
        }
        String namespace = place.namespace();
        String agent = place.agent();
        if (!agent.isEmpty()) {
            Page<KeyAt> keys = engine.reads().keys(namespace, agent, "", place.after(), new At.Now(), PAGE);
            return below(
                    "key",
                    place,
                    keys,
                    key -> Entry.of(key.name(), key.version(), Place.of(namespace, agent, key.name())),
                    now);
        }
        if (!namespace.isEmpty()) {
            Page<String> agents = engine.reads().agents(namespace, "", place.after(), PAGE);
            return below("agent", place, agents, name -> Entry.of(name, 0, Place.of(namespace, name, "")), now);
        }
        Page<String> namespaces = engine.reads().namespaces("", place.after(), PAGE);
        return below("namespace", place, namespaces, name -> Entry.of(name, 0, Place.of(name, "", "")), now);
    }

    private static <T> StateView below(String kind, Place place, Page<T> page, Function<T, Entry> entry, Instant now) {
        String next = page.next();
        return new StateView(
                now,
                place.crumbs(),
                kind,
                page.entries().stream().map(entry).toList(),
                next == null ? null : place.with("after", next),
                List.of(),
                null,
                List.of(),
                place.with("events", "on"));
    }

    private static StateView key(StateEngine engine, Place place, Instant now) {
        StateKey key = new StateKey(place.namespace(), place.agent(), place.key());
        List<Version> versions = engine.reads().history(key, Long.MAX_VALUE, MOST_VERSIONS);
        List<Written> written = versions.stream()
                .map(each -> new Written(
                        new Link(Long.toString(each.version()), place.with("version", Long.toString(each.version()))),
                        each.revision(),
                        StateEngine.time(each.committedAtMicros()),
                        each.isDeleted()))
                .toList();
        List<Version> chosen = place.version() == 0 || versions.isEmpty()
                ? versions
                : engine.reads().history(key, place.version() + 1, 2);
        return new StateView(
                now,
                place.crumbs(),
                "version",
                List.of(),
                null,
                written,
                chosen.isEmpty() ? null : compared(chosen.get(0), chosen.size() > 1 ? chosen.get(1) : null),
                List.of(),
                place.with("events", "on"));
    }

    private static Compared compared(Version after, @Nullable Version before) {
        String title = before == null
                ? "Version " + after.version()
                : "Version " + before.version() + " and version " + after.version();
        List<String> left = lines(before);
        List<String> right = lines(after);
        if (Math.max(left.size(), right.size()) > MOST_LINES
                || after.jsonBytes() > MOST_BYTES
                || (before != null && before.jsonBytes() > MOST_BYTES)) {
            return new Compared(
                    title,
                    "A value is longer than 64 KiB, or than 2,000 lines. Print it with flk state get.",
                    List.of());
        }
        List<DiffRow> rows =
                DiffRowGenerator.create().lineNormalizer(line -> line).build().generateDiffRows(left, right);
        return new Compared(
                title,
                "",
                rows.stream()
                        .map(row -> new Line(row.getOldLine(), row.getNewLine(), css(row.getTag())))
                        .toList());
    }

    private static List<String> lines(@Nullable Version version) {
        String json = version == null ? null : version.json();
        try {
            return json == null ? List.of() : Json.pretty(json).lines().toList();
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("the state returned text that is not JSON", e);
        }
    }

    private static String css(DiffRow.Tag tag) {
        return switch (tag) {
            case INSERT -> "added";
            case DELETE -> "removed";
            case CHANGE -> "changed";
            case EQUAL -> "same";
        };
    }

    private static StateView events(StateEngine engine, Place place, Instant now) {
        Head head = engine.head();
        long end = place.version() == 0 ? head.revision() + 1 : Math.min(head.revision() + 1, place.version());
        long oldest = Math.max(Math.max(1, head.floor() + 1), end - MOST_EVENTS);
        long begin = end;
        int changes = 0;
        List<Event> found = new ArrayList<>();
        while (begin > oldest && changes < MOST_CHANGES) {
            long to = begin;
            begin = Math.max(oldest, begin - EVENTS_AT_ONCE);
            List<Event> some = new ArrayList<>();
            long from = begin;
            long read = -1;
            // a read that makes no progress ends the loop: its revisions were just removed from the history
            while (from < to && from != read) {
                read = from;
                History.Events page = engine.history()
                        .events(head.historyId(), from, to, "", key -> isAt(place, key), StateEngine.MAX_PAGE_BYTES);
                some.addAll(page.events());
                from = page.next();
            }
            changes += some.stream().mapToInt(event -> event.changes().size()).sum();
            found.addAll(0, some);
        }
        List<Change> shown = new ArrayList<>();
        long earlier = begin;
        for (int i = found.size() - 1; i >= 0; i--) {
            if (shown.size() >= MOST_CHANGES) {
                earlier = found.get(i + 1).revision();
                break;
            }
            add(shown, found.get(i));
        }
        return new StateView(
                now,
                place.crumbs(),
                "event",
                List.of(),
                earlier > Math.max(1, head.floor() + 1) ? place.with("events", "on") + "&version=" + earlier : null,
                List.of(),
                null,
                shown,
                null);
    }

    private static boolean isAt(Place place, StateKey key) {
        return (place.namespace().isEmpty() || place.namespace().equals(key.namespace()))
                && (place.agent().isEmpty() || place.agent().equals(key.agentId()))
                && (place.key().isEmpty() || place.key().equals(key.name()));
    }

    /** Adds the changes of an event, at most {@link #MOST_CHANGES}, and the number of omitted changes. */
    private static void add(List<Change> shown, Event event) {
        Instant at = StateEngine.time(event.committedAtMicros());
        List<Event.Change> changes = event.changes();
        for (Event.Change change : changes.subList(0, Math.min(MOST_CHANGES, changes.size()))) {
            StateKey key = change.key();
            String json = change.json();
            String value =
                    json == null ? "deleted" : json.length() <= MOST_SHORT ? json : json.substring(0, MOST_SHORT) + "…";
            Place place = Place.of(key.namespace(), key.agentId(), key.name());
            shown.add(new Change(
                    event.revision(),
                    at,
                    new Link(key.name(), place.with("version", Long.toString(change.version()))),
                    key.namespace(),
                    key.agentId(),
                    value));
        }
        if (changes.size() > MOST_CHANGES) {
            String more = "and " + (changes.size() - MOST_CHANGES) + " more changes in this event";
            shown.add(new Change(event.revision(), at, new Link("", PATH), "", "", more));
        }
    }
}

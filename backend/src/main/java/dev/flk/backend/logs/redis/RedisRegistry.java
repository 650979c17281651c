// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs.redis;

import dev.flk.backend.logs.EntryReader;
import dev.flk.backend.logs.LogEntry;
import dev.flk.backend.logs.LogRegistry;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.backend.stores.redis.RedisConnector;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.StatefulRedisConnection;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * The registry in Redis: one key, {@code flk:logs} or, in a cluster, <code>{flk}:logs</code>. Its value has a line for
 * each log: the id of the log, and the JSON of its entry. One script reads and changes it, with the commands that the
 * store of outcomes uses, too, so that an ACL that permits the store permits the registry.
 */
public final class RedisRegistry implements LogRegistry {
    /**
     * A script whose arguments are the most characters of an entry, the most entries, and, for each change: its kind,
     * the id of the log, and the entry.
     */
    private static final byte[] SCRIPT = """
            local held = redis.call('GET', KEYS[1]) or ''
            local order, lines, shown = {}, {}, {}
            for id, line in string.gmatch(held, '(%x+) ([^\\n]*)\\n') do
              order[#order + 1] = id
              lines[id] = line
              if #shown <= tonumber(ARGV[2]) then
                shown[#shown + 1] = string.sub(id, 1, 40) .. ' ' .. string.sub(line, 1, tonumber(ARGV[1])) .. '\\n'
              end
            end
            for i = 3, #ARGV, 3 do
              local kind, id = ARGV[i], ARGV[i + 1]
              if kind == 'remove' then
                lines[id] = nil
              elseif kind == 'put' or not lines[id] then
                if not lines[id] then order[#order + 1] = id end
                lines[id] = ARGV[i + 2]
              end
            end
            local text, written = {}, {}
            for _, id in ipairs(order) do
              if lines[id] and not written[id] then
                text[#text + 1] = id .. ' ' .. lines[id] .. '\\n'
                written[id] = true
              end
            end
            local now = table.concat(text)
            if now ~= held then redis.call('SET', KEYS[1], now) end
            return table.concat(shown)
            """.getBytes(StandardCharsets.US_ASCII);

    private final RedisConnector connector;
    private final EntryReader reader;
    private @Nullable StatefulRedisConnection<String, byte[]> connection;

    /** Creates a registry; opens no connection. */
    public RedisRegistry(RedisConfig config) {
        this.connector = new RedisConnector(config);
        this.reader = new EntryReader(key());
    }

    @Override
    public Map<String, LogEntry> update(List<Change> changes) {
        List<byte[]> arguments = new ArrayList<>();
        arguments.add(ascii(String.valueOf(LogEntry.MOST_CHARS + 1)));
        arguments.add(ascii(String.valueOf(EntryReader.MOST_ENTRIES)));
        for (Change change : changes) {
            if (change instanceof Change.Put put) {
                add(arguments, "put", put.entry().logId(), put.entry().text());
            } else if (change instanceof Change.Add add) {
                add(arguments, "add", add.entry().logId(), add.entry().text());
            } else if (change instanceof Change.Remove remove) {
                add(arguments, "remove", remove.logId(), "");
            }
        }
        StatefulRedisConnection<String, byte[]> used = connection();
        byte[] held = answer(used.async()
                .<byte[]>eval(SCRIPT, ScriptOutputType.VALUE, new String[] {key()}, arguments.toArray(byte[][]::new)));
        for (String line : new String(held, StandardCharsets.UTF_8).split("\n", -1)) {
            int space = line.indexOf(' ');
            if (space > 0) {
                reader.add(line.substring(0, space), line.substring(space + 1));
            }
        }
        return reader.take();
    }

    private String key() {
        return connector.prefix() + "logs";
    }

    private static void add(List<byte[]> arguments, String kind, String logId, String entry) {
        for (String argument : List.of(kind, logId, entry)) {
            arguments.add(ascii(argument));
        }
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private StatefulRedisConnection<String, byte[]> connection() {
        if (connection == null || !connection.isOpen()) {
            connection = answer(connector.connect());
        }
        return connection;
    }

    private <T> T answer(CompletionStage<T> call) {
        try {
            return call.toCompletableFuture().get(connector.connectWithin().toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            throw failed(connector.unavailable(e));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw failed(connector.unavailable("was not waited for"));
        }
    }

    private StoreUnavailableException failed(StoreUnavailableException reason) {
        StatefulRedisConnection<String, byte[]> broken = connection;
        connection = null;
        if (broken != null) {
            var unused = broken.closeAsync();
        }
        return reason;
    }

    @Override
    public void close() {
        connector.close();
    }
}

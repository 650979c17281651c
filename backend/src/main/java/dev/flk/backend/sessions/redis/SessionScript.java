// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * The script that reads and changes sessions in Redis. Redis runs each call atomically, so a change, its message and
 * its entry in the stream of changes exist together or not at all. It uses these keys:
 *
 * <table>
 * <caption>Keys</caption>
 * <tr><td>{@code session:ID}</td><td>hash: {@code version}, {@code updated_at}, {@code state}; has the TTL of the
 * session</td></tr>
 * <tr><td>{@code session-version:ID}</td><td>{@code VERSION KIND MILLIS}: the newest version; KIND is {@code live}
 * (until MILLIS), {@code deleted} or {@code expired} (at MILLIS). It outlives the session, so that a session that is
 * created again continues the count</td></tr>
 * <tr><td>{@code session-nonce:KEY-ID NONCE}</td><td>empty; marks the nonce of a signed request as used, for ten
 * minutes</td></tr>
 * <tr><td>{@code session-expiries}</td><td>sorted set: the ids of live sessions by the end of their lifetime</td></tr>
 * <tr><td>{@code session-changes}</td><td>stream: every change</td></tr>
 * <tr><td>{@code session-changes-count}</td><td>the number of changes so far</td></tr>
 * <tr><td>{@code session-changes-trimmed}</td><td>an id; the entries of the stream with lower ids were
 * removed</td></tr>
 * <tr><td>{@code session-changes-dead}</td><td>stream: changes that Postgres refused</td></tr>
 * <tr><td>{@code session-epoch}</td><td>{@code RUN-ID:RANDOM}: the run id of the Redis process whose sessions a backend
 * has completed, and a random number for this completion. After a restart or a failover, the run id differs; after the
 * loss of all keys, the epoch is missing. In both cases, the sessions are first restored from Postgres, if it is
 * configured</td></tr> </table>
 *
 * <p>The arguments are an operation, the epoch, the time in milliseconds for which a version outlives its session, and
 * the operation's own arguments. The first element of the reply is {@code OK}, {@code CONFLICT},
 * {@code REPLAYED} or {@code EPOCH}. The
 * channel {@code session-updates} gets each change as a line of JSON, followed by a line with the state.
 */
final class SessionScript {
    static final String CHANNEL = "session-updates";
    static final String STREAM = "session-changes";
    static final String DEAD = "session-changes-dead";
    static final String EPOCH = "session-epoch";
    static final String EXPIRIES = "session-expiries";
    /** The consumer group of the backends that write to Postgres. */
    static final String GROUP = "postgres";

    /**
     * The operations.
     *
     * <pre>
     * put      id, condition (-1: none, 0: must not exist), nonce or "", ttl, state -> version, now, expiry
     * delete   id, condition, nonce or "" -> version, now (0: there was no session)
     * expire   the maximum number of sessions to remove because their lifetime is over -> their number
     * sweep    the time for which the stream keeps entries that are not needed -> the number of changes that wait for
     *          Postgres, the number of changes that are being written, the age of the oldest of both
     * load     ids -> for each id: id, version, kind, millis, updated_at, state
     * head     -> the id of the newest entry of the stream
     * read     entry, count -> whether entries after it were removed, then the entries after it
     * dead     entry, error -> 1 if the entry was moved to the dead stream, 0 if it was no longer pending; no epoch
     * restore  versions; epoch is the run id. Does nothing once the sessions are complete
     * finish   random, group or ""; epoch is the run id -> the epoch
     * </pre>
     */
    private static final String TEXT = """
            local op, epoch, keep = ARGV[1], ARGV[2], tonumber(ARGV[3])
            local time = redis.call('TIME')
            local now = time[1] * 1000 + math.floor(time[2] / 1000)
            local stream = 'session-changes'

            local function text(number) return string.format('%.0f', number) end

            local function last(id)
              local known = redis.call('GET', 'session-version:' .. id)
              if not known then return 0, 'unknown', 0 end
              local version, kind, at = string.match(known, '^(%d+) (%a+) (%d+)$')
              if not version then error('FLK session-version:' .. id .. ' has an invalid value; delete the key') end
              return tonumber(version), kind, tonumber(at)
            end

            local function store(id, version, kind, at, expires, state)
              if kind == 'live' then
                local key = 'session:' .. id
                -- a server without memory only refuses a script whose first write needs some
                redis.call('SET', 'session-version:' .. id, text(version) .. ' live ' .. text(expires),
                           'PX', text(expires - now + keep))
                redis.call('DEL', key)
                redis.call('HSET', key, 'version', text(version), 'updated_at', text(at), 'state', state)
                redis.call('PEXPIREAT', key, text(expires))
                redis.call('ZADD', 'session-expiries', text(expires), id)
              else
                redis.call('DEL', 'session:' .. id)
                redis.call('SET', 'session-version:' .. id, text(version) .. ' ' .. kind .. ' ' .. text(at), 'PX', keep)
                redis.call('ZREM', 'session-expiries', id)
              end
            end

            local function publish(id, version, kind, at, expires, state)
              redis.call('PUBLISH', 'session-updates', '{"id":' .. cjson.encode(id) .. ',"version":' .. text(version)
                  .. ',"kind":"' .. kind .. '","changed_at":' .. text(at) .. ',"expires_at":' .. text(expires)
                  .. '}\\n' .. state)
            end

            local function change(id, version, kind, expires, state)
              store(id, version, kind, now, expires, state)
              local n = redis.call('INCR', 'session-changes-count')
              redis.call('XADD', stream, '*', 'n', text(n), 'id', id, 'version', text(version), 'kind', kind,
                         'changed_at', text(now), 'expires_at', text(expires), 'state', state)
              publish(id, version, kind, now, expires, state)
            end

            local function expire(id)
              local version, kind, at = last(id)
              if kind == 'live' and at <= now then
                change(id, version + 1, 'expired', 0, '')
              end
            end

            local function isBelow(one, other)
              local ms, seq = string.match(one, '^(%d+)-(%d+)$')
              local otherMs, otherSeq = string.match(other, '^(%d+)-(%d+)$')
              ms, seq, otherMs, otherSeq = tonumber(ms), tonumber(seq), tonumber(otherMs), tonumber(otherSeq)
              return ms < otherMs or (ms == otherMs and seq < otherSeq)
            end

            local function head()
              local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
              return newest[1] and newest[1][1] or redis.call('GET', 'session-changes-trimmed') or '0-0'
            end

            local function count(entry)
              local found = redis.call('XRANGE', stream, entry, entry)
              return found[1] and tonumber(found[1][2][2]) or 0
            end

            if op == 'restore' then
              local held = redis.call('GET', 'session-epoch') or ''
              if string.sub(held, 1, #epoch + 1) ~= epoch .. ':' then
                for i = 4, #ARGV, 6 do
                  local id, version, kind = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
                  local at, expires, state = tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), ARGV[i + 5]
                  if kind == 'live' and expires <= now then kind, at, state = 'expired', expires, '' end
                  if last(id) < version then
                    store(id, version, kind, at, expires, state)
                    publish(id, version, kind, at, expires, state)
                  end
                end
              end
              return {'OK'}
            end

            if op == 'finish' then
              if ARGV[5] ~= '' then
                local made = redis.pcall('XGROUP', 'CREATE', stream, ARGV[5], '0', 'MKSTREAM')
                if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP') then return made end
              end
              local held = redis.call('GET', 'session-epoch') or ''
              if string.sub(held, 1, #epoch + 1) ~= epoch .. ':' then
                held = epoch .. ':' .. ARGV[4]
                redis.call('SET', 'session-epoch', held)
              end
              return {'OK', held}
            end

            if op == 'dead' then
              local found = redis.call('XRANGE', stream, ARGV[4], ARGV[4])
              if redis.call('XACK', stream, 'postgres', ARGV[4]) == 0 then return {'OK', '0'} end
              local fields = found[1] and found[1][2] or {}
              fields[#fields + 1] = 'entry'
              fields[#fields + 1] = ARGV[4]
              fields[#fields + 1] = 'error'
              fields[#fields + 1] = ARGV[5]
              redis.call('XADD', 'session-changes-dead', 'MAXLEN', '10000', '*', unpack(fields))
              return {'OK', '1'}
            end

            if redis.call('GET', 'session-epoch') ~= epoch then return {'EPOCH'} end

            if op == 'put' or op == 'delete' then
              local id, condition, nonce = ARGV[4], tonumber(ARGV[5]), ARGV[6]
              -- a signature is fresh from five minutes before its time until five minutes after it
              if nonce ~= '' and not redis.call('SET', 'session-nonce:' .. nonce, '', 'NX', 'PX', 601000) then
                return {'REPLAYED'}
              end
              expire(id)
              local version, kind = last(id)
              local isLive = kind == 'live'
              if condition == 0 and isLive or condition > 0 and version ~= condition then
                return {'CONFLICT', text(version)}
              end
              if op == 'delete' then
                if not isLive then return {'OK', text(version), '0'} end
                change(id, version + 1, 'deleted', 0, '')
                return {'OK', text(version + 1), text(now)}
              end
              local expires = now + tonumber(ARGV[7])
              change(id, version + 1, 'live', expires, ARGV[8])
              return {'OK', text(version + 1), text(now), text(expires)}
            end

            if op == 'load' then
              local reply = {'OK'}
              for i = 4, #ARGV do
                local version, kind, at = last(ARGV[i])
                local held = redis.call('HMGET', 'session:' .. ARGV[i], 'updated_at', 'state')
                reply[#reply + 1] = {ARGV[i], text(version), kind, text(at), held[1] or '', held[2] or ''}
              end
              return reply
            end

            if op == 'head' then return {'OK', head()} end

            if op == 'read' then
              local trimmed = redis.call('GET', 'session-changes-trimmed')
              return {'OK', trimmed and isBelow(ARGV[4], trimmed) and '1' or '0',
                      redis.call('XRANGE', stream, '(' .. ARGV[4], '+', 'COUNT', ARGV[5])}
            end

            if op == 'expire' then
              local over = redis.call('ZRANGEBYSCORE', 'session-expiries', '-inf', text(now), 'LIMIT', 0, ARGV[4])
              for _, id in ipairs(over) do
                expire(id)
                redis.call('ZREM', 'session-expiries', id) -- also an id whose version was removed
              end
              return {'OK', text(#over)}
            end

            if op == 'sweep' then
              if redis.call('EXISTS', stream) == 0 then return {'OK', text(now), '0', '0', '0'} end
              local newest = head()
              local bound = text(math.max(0, now - tonumber(ARGV[4]))) .. '-0'
              -- without a time to keep, all changes may go, also those with ids from before the clock was set back
              if ARGV[4] == '0' or isBelow(newest, bound) then bound = newest end
              local waiting, active, oldest = 0, 0, nil
              for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
                local fields = {}
                for i = 1, #group, 2 do fields[group[i]] = group[i + 1] end
                local delivered, pending = fields['last-delivered-id'], redis.call('XPENDING', stream, fields['name'])
                local needed = pending[1] > 0 and pending[2] or delivered
                if isBelow(needed, bound) then bound = needed end
                if fields['name'] == 'postgres' then
                  active = pending[1]
                  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, 'postgres')) do
                    local of = {}
                    for i = 1, #consumer, 2 do of[consumer[i]] = consumer[i + 1] end
                    if of['pending'] == 0 and of['idle'] > 3600000 then
                      redis.call('XGROUP', 'DELCONSUMER', stream, 'postgres', of['name'])
                    end
                  end
                  -- counts from the first change that is left, because a new group has read none
                  local first = redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 1)[1]
                  waiting = first and count(newest) - count(first[1]) + 1 or 0
                  if active > 0 then
                    oldest = pending[2]
                  elseif waiting > 0 then
                    oldest = redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 1)[1][1]
                  end
                end
              end
              if redis.call('XTRIM', stream, 'MINID', bound) > 0 then
                redis.call('SET', 'session-changes-trimmed', bound)
              end
              local age = oldest and math.max(0, now - tonumber(string.match(oldest, '^%d+'))) or 0
              return {'OK', text(now), text(waiting), text(active), text(age)}
            end

            return redis.error_reply('FLK unknown operation ' .. op)
            """;

    static final byte[] BYTES = TEXT.getBytes(StandardCharsets.US_ASCII);
    static final String SHA1 = sha1(BYTES);

    private SessionScript() {}

    private static String sha1(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-1").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JVM has SHA-1", e);
        }
    }
}

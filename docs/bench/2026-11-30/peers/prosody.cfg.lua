-- Prosody. Port and folder are filled in at each start. Limits against floods are lifted.
data_path = "{DIR}/data"
certificates = "{DIR}/data"
pidfile = "{DIR}/pid"
run_as_root = true
interfaces = { "127.0.0.1" }
c2s_ports = { {PORT} }
s2s_ports = { }
modules_enabled = { "saslauth"; "register_ibr"; "smacks"; "offline" }
modules_disabled = { "s2s"; "tls" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
allow_registration = true
-- The passwords of these accounts are no secret: hashing them is not what is measured.
authentication = "internal_plain"
storage = "internal"
-- Nobody is away long enough to be resumed.
smacks_hibernation_time = 1
log = { warn = "{DIR}/log" }
VirtualHost "localhost"
Component "rooms.localhost" "muc"
    muc_room_locking = false
    muc_room_default_history_length = 0
    muc_room_default_presence_broadcast = {
        visitor = false; participant = false; moderator = false
    }

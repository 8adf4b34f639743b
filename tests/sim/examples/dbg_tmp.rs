//! tmp
use counterfoil_sim::{rivals::*, world::*, watch::watch, delivery::Counterfoil, transcript::Transcript};
fn main(){
  let mut worst=std::collections::BTreeMap::<String,Vec<i64>>::new();
  for seed in 0..40 { for hot in [0.0,0.5,0.95] {
    let mut world=World::new(Scene{hot_share:hot,clock_error:5_000_000}.plan(seed));
    let mut c=Counterfoil::new(&world,Transcript::new(false));
    watch(&mut world,&mut c);
    for (r,f) in world.faults.iter().filter(|(_,f)| f.until.is_none() && f.since+75*SECOND<=world.plan.times.end) {
      let t=c.oracle.alarms.iter().find(|t|t.confirmed&&t.faults.contains(&r));
      match t { Some(t)=>worst.entry(format!("{:?}",f.kind)).or_default().push((t.at-f.deadline.max(f.since))/1_000_000),
       None=> { let n=c.oracle.alarms.iter().filter(|t|t.faults.contains(&r)).count(); println!("seed {seed} hot {hot} {:?} key {} store {} opened {n}",f.kind,f.key.0,world.keys.get(f.key).store.value)} }
      let named=c.oracle.alarms.iter().find(|t|t.confirmed&&t.faults.contains(&r)&&t.kind=="foreign");
      if let (Some(t),true)=(named, format!("{:?}",f.kind)=="Frozen") { println!("   foreign frozen seed {seed} hot {hot} version {} at {}", f.version,(t.at-f.since)/1000000); }
    }
  }}
  for (k,mut v) in worst { v.sort(); println!("{k} after deadline p50 {} p99 {} max {}",v[v.len()/2],v[v.len()*99/100],v[v.len()-1]); }
}
